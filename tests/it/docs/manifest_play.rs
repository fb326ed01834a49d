//! The manifests among the examples run, with processes in place of containers: they start their
//! containers in the right order, end as they say, and drain.

use super::play::{Play, stop};
use crate::support::proc::{children, only_child};
use crate::support::sandbox::wait_until;
use crate::support::servers::Server;
use crate::support::signals::{KILL, STOP, TERM};
use std::fs::{create_dir, read, rename, write};
use std::os::unix::fs::symlink;

const JOBS: [&str; 6] = [
    "job-with-proxy/short.yaml",
    "job-with-proxy/job.yaml",
    "job-with-proxy/job-never.yaml",
    "job-with-proxy/job-pvc.yaml",
    "image-volume/job.yaml",
    "component-example/built.yaml",
];

#[test]
fn the_jobs_among_the_examples_complete() {
    for manifest in JOBS {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        play.init();
        let (main, proxy) = (play.start("main"), play.start("proxy"));
        play.await_probe("proxy");
        main.end().assert_output(0, "hello\n");
        let proxy = proxy.end();
        assert_eq!(proxy.status, 0, "{manifest}: {}", proxy.stderr);
    }
}

#[test]
fn main_does_not_wait_for_a_proxy_that_does_not_run_again() {
    for manifest in ["job-with-proxy/job-never.yaml", "image-volume/job.yaml"] {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        play.init();
        let proxy = play.start("proxy");
        play.await_condition("proxy:born");
        proxy.send(KILL);
        assert_eq!(proxy.end().status, 137);
        let main = play.start("main").end();
        assert_eq!(main.status, 143, "{}", main.stderr);
        assert_eq!(main.stdout, "");
    }
}

#[test]
fn a_job_completes_although_the_sandbox_is_made_anew_between_the_ends_of_its_containers() {
    // Under Never nothing runs again.
    let manifests = ["short", "job", "job-pvc"];
    for manifest in manifests.map(|name| format!("job-with-proxy/{name}.yaml")) {
        let Some(play) = Play::of(&manifest) else {
            return;
        };
        play.init();
        let proxy = play.start("proxy");
        play.await_probe("proxy");
        play.await_condition("proxy:ready");
        // Its server works on, but it does not see the end of main.
        proxy.send(STOP);
        assert_eq!(play.start("main").end().status, 0, "{manifest}");
        proxy.send(KILL);
        proxy.end();
        // The node starts again what has not ended with 0.
        play.init();
        let proxy = play.start("proxy").end();
        assert_eq!(proxy.status, 0, "{manifest}: {}", proxy.stderr);
    }
}

#[test]
fn the_sidecars_of_the_examples_serve_the_containers_after_them() {
    for (manifest, served) in [
        ("job-with-proxy/native.yaml", &["main"][..]),
        ("several-mains/native.yaml", &["first", "second"]),
        ("migration/native.yaml", &["migration"]),
    ] {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        let proxy = play.start("proxy");
        play.await_probe("proxy");
        for name in served {
            play.start(name).end().assert_output(0, "hello\n");
        }
        // The kubelet stops a sidecar when all others have ended.
        assert_eq!(stop(proxy).status, 143, "{manifest}");
    }
}

#[test]
fn the_deployment_among_the_examples_drains() {
    let Some(mut play) = Play::of("draining/deployment.yaml") else {
        return;
    };
    play.init();
    let proxy = play.start("proxy");
    // The delay of app alone: the one of proxy must last.
    play.changed.insert("EXITDIR_STOP_DELAY", "100ms");
    let app = play.start("app");
    play.await_probe("proxy");
    play.await_probe("app");
    // As the kubelet does: TERM to all containers at once.
    proxy.send(TERM);
    app.send(TERM);
    let (app, proxy) = (app.end(), proxy.end());
    assert_eq!(app.status, 0, "{}", app.stderr);
    assert_eq!(proxy.status, 0, "{}", proxy.stderr);
    let reason = "exitdir-run: app died with exit code 0: stopping sh with TERM\n";
    assert!(proxy.stderr.ends_with(reason), "{}", proxy.stderr);
}

#[test]
fn app_drains_while_its_sidecar_serves() {
    let Some(play) = Play::of("draining/native.yaml") else {
        return;
    };
    let proxy = play.start("proxy");
    play.await_probe("proxy");
    let app = play.start("app");
    // It has set its trap before it asks the proxy.
    wait_until("app works", || !children(app.pid()).is_empty());
    // The kubelet stops app, and the sidecar when app has ended.
    assert_eq!(stop(app).status, 0);
    assert_eq!(stop(proxy).status, 143);
}

#[test]
fn a_proxy_of_several_mains_ends_with_the_last_of_them() {
    for manifest in ["several-mains/job.yaml", "several-mains/job-never.yaml"] {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        play.init();
        let (first, proxy) = (play.start("first"), play.start("proxy"));
        first.end().assert_output(0, "hello\n");
        // It can only say hello if the proxy serves still.
        play.start("second").end().assert_output(0, "hello\n");
        let proxy = proxy.end();
        assert_eq!(proxy.status, 0, "{manifest}: {}", proxy.stderr);
    }
}

#[test]
fn one_of_several_mains_that_fails_ends_the_pod_only_under_never() {
    for (manifest, status, words) in [
        ("several-mains/job.yaml", 0, "hello\n"),
        ("several-mains/job-never.yaml", 143, ""),
    ] {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        play.init();
        let first = play.start("first");
        play.await_condition("first:waiting");
        first.send(KILL);
        first.end();
        let proxy = play.start("proxy");
        play.start("second").end().assert_output(status, words);
        if status == 0 {
            // The node starts it again.
            play.start("first").end().assert_output(0, "hello\n");
        }
        assert_eq!(proxy.end().status, status, "{manifest}");
    }
}

/// The proxy that a mesh injects, which answers at these two ports.
fn injected(play: &mut Play) -> [Server; 2] {
    let servers = [Server::open(), Server::open()];
    play.ports.insert("15021", servers[0].port);
    play.ports.insert("15020", servers[1].port);
    servers
}

#[test]
fn a_job_tells_its_injected_proxy_to_end_once_main_has_ended() {
    for manifest in ["injected-proxy/job.yaml", "injected-proxy/job-never.yaml"] {
        let Some(mut play) = Play::of(manifest) else {
            return;
        };
        let [_ready, quit] = injected(&mut play);
        play.init();
        let waits = play.has("quit").then(|| play.start("quit"));
        assert_eq!(quit.tries(), 0, "{manifest}");
        play.start("main").end().assert_output(0, "hello\n");
        if let Some(waits) = waits {
            assert_eq!(waits.end().status, 0, "{manifest}");
        }
        assert_eq!(quit.tries(), 1, "{manifest}");
    }
}

#[test]
fn an_injected_proxy_stays_while_main_is_started_again() {
    let Some(mut play) = Play::of("injected-proxy/job.yaml") else {
        return;
    };
    let [ready, quit] = injected(&mut play);
    ready.close();
    play.init();
    let (waits, main) = (play.start("quit"), play.start("main"));
    play.await_condition("main:waiting");
    main.send(KILL);
    main.end();
    let main = play.start("main");
    play.await_condition("main:waiting");
    assert_eq!(quit.tries(), 0);
    ready.listen();
    main.end().assert_output(0, "hello\n");
    assert_eq!(waits.end().status, 0);
    assert_eq!(quit.tries(), 1);
}

#[test]
fn app_starts_after_the_migration() {
    let Some(play) = Play::of("migration/deployment.yaml") else {
        return;
    };
    play.init();
    let (app, migration) = (play.start("app"), play.start("migration"));
    play.await_condition("migration:waiting");
    play.await_condition("app:waiting");
    let proxy = play.start("proxy");
    play.await_probe("app");
    let migrated = play.sandbox.path("tmp-migration/migrated");
    assert!(migrated.exists());
    // Ready is when the shell was executed; what it says comes then.
    let shell = only_child("app", app.pid());
    wait_until("the shell of app has become sleep", || {
        read(format!("/proc/{shell}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"))
    });
    let app = stop(app);
    assert_eq!((app.status, &*app.stdout), (143, "app works\n"));
    stop(migration);
    stop(proxy);
}

#[test]
fn only_the_pod_that_is_elected_works() {
    for (host, is_elected) in [("exitdir-0", true), ("exitdir-1", false)] {
        let Some(mut play) = Play::of("active-standby/statefulset.yaml") else {
            return;
        };
        play.changed.insert("HOSTNAME", host);
        play.init();
        let file = play.volume("exit").join("active");
        // An earlier life has left it.
        write(&file, "").expect("a file");
        let (app, elect) = (play.start("app"), play.start("elect"));
        play.await_condition("elect:ready");
        if is_elected {
            play.await_probe("app");
            std::fs::remove_file(&file).expect("the file of the elected");
        }
        play.await_condition("app:inactive");
        write(&file, "").expect("a file");
        play.await_probe("app");
        // Without the election nothing says that this pod may work on.
        elect.send(KILL);
        elect.end();
        assert_eq!(app.end().status, 143);
    }
}

#[test]
fn a_change_of_the_configmap_reaches_app_without_a_restart() {
    let Some(play) = Play::of("reload/deployment.yaml") else {
        return;
    };
    play.init();
    let volume = play.volume("config");
    // As the kubelet does: a directory for each version, and a link that is replaced.
    let version = |name: &str, greeting: &str| {
        create_dir(volume.join(name)).expect("a fresh directory");
        write(volume.join(name).join("greeting"), greeting).expect("a file");
        symlink(name, volume.join("..data_tmp")).expect("a link");
        rename(volume.join("..data_tmp"), volume.join("..data")).expect("a link");
    };
    version("..1", "hello\n");
    symlink("..data/greeting", volume.join("greeting")).expect("a link");
    let app = play.start_with_log("app");
    play.await_log("hello\n");
    version("..2", "good evening\n");
    play.await_log("hello\ngood evening\n");
    assert_eq!(stop(app).status, 143);
}

#[test]
fn app_starts_when_a_port_answers() {
    let Some(mut play) = Play::of("wait-for-port/deployment.yaml") else {
        return;
    };
    let server = Server::closed();
    play.ports.insert("5432", server.port);
    play.init();
    let app = play.start_with_log("app");
    play.await_log("");
    server.listen();
    play.await_log("the server answers\n");
    wait_until("the server was asked", || server.tries() > 0);
    assert_eq!(stop(app).status, 143);
}

#[test]
fn the_init_container_of_a_pod_ends_when_a_port_answers() {
    let Some(mut play) = Play::of("wait-for-port/init.yaml") else {
        return;
    };
    let server = Server::closed();
    play.ports.insert("5432", server.port);
    let mut wait = play.start("wait");
    assert!(wait.is_running());
    server.listen();
    assert_eq!(wait.end().status, 0);
    wait_until("the server was asked", || server.tries() > 0);
}
