//! The manifests among the examples run, with processes in place of containers: they start their
//! containers in the right order, end as they say, and drain.

use super::manifests::{Pod, pods, words};
use super::{absolute_binary, made};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, eventually};
use crate::support::signals::{KILL, STOP, TERM};
use std::collections::HashMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use yaml_rust2::Yaml;

const JOBS: [&str; 3] = [
    "job-with-proxy/job.yaml",
    "job-with-proxy/job-never.yaml",
    "job-with-proxy/job-pvc.yaml",
];

/// The containers of a pod as processes.
struct Play {
    sandbox: Sandbox,
    pod: Pod,
    port: u16,
    /// Variables of containers that are set to another value.
    changed: HashMap<&'static str, &'static str>,
}

impl Play {
    /// Plays the manifest with this file name. `None` if there is no busybox.
    fn of(manifest: &str) -> Option<Play> {
        let mut busybox = Command::new("busybox");
        if !is_permitted("busybox", busybox.arg("true")) {
            return None;
        }
        let path = format!("examples/kubernetes/{manifest}");
        let pod = pods().into_iter().find(|pod| pod.path == path);
        let sandbox = Sandbox::new();
        let bin = made(sandbox.path("bin"));
        for applet in ["sh", "wget", "httpd", "sleep"] {
            std::os::unix::fs::symlink("/bin/busybox", bin.join(applet)).expect("a link");
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Some(Play {
            sandbox,
            pod: pod.expect("a manifest with a pod"),
            port: free.local_addr().expect("bound").port(),
            changed: HashMap::new(),
        })
    }

    fn container(&self, name: &str) -> &Yaml {
        let mut found = self.pod.containers();
        let found = found.find(|container| container["name"].as_str() == Some(name));
        found.expect("a container of this name")
    }

    /// The directory of a volume; one in memory is sticky.
    fn volume(&self, name: &str) -> PathBuf {
        let path = self.sandbox.path(&format!("volume-{name}"));
        if !path.exists() {
            std::fs::create_dir(&path).expect("a fresh directory");
            let mode = PermissionsExt::from_mode(0o1777);
            std::fs::set_permissions(&path, mode).expect("ours");
        }
        path
    }

    /// A text of the manifest, with the sandbox's directories for the mounts and the play's port.
    fn real(&self, container: &Yaml, text: &str) -> String {
        let mounts = container["volumeMounts"].as_vec().expect("mounts");
        let mut real = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let at = real.chars().next_back();
            let mount = mounts.iter().find_map(|mount| {
                let path = mount["mountPath"].as_str()?;
                let behind = rest.strip_prefix(path)?;
                let ends = !behind.starts_with(|c: char| c.is_alphanumeric());
                let begins = !at.is_some_and(char::is_alphanumeric);
                (ends && begins).then(|| (self.volume(mount["name"].as_str().unwrap()), behind))
            });
            match mount {
                Some((volume, behind)) => {
                    real.push_str(volume.to_str().expect("UTF-8"));
                    rest = behind;
                }
                None => {
                    real.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        real.replace("8080", &self.port.to_string())
            .replace("$(POD_UID)", "6a1d0000-0000-0000-0000-000000000000")
    }

    /// A command in a container, as the kubelet runs it.
    fn command(&self, container: &Yaml, words: &[String]) -> Command {
        let mut real = words.iter().map(|word| self.real(container, word));
        let mut command = self.sandbox.command(real.next().expect("a program"));
        let variables = container["env"].as_vec().map(Vec::as_slice);
        for variable in variables.unwrap_or_default() {
            let name = variable["name"].as_str().expect("a name");
            if let Some(value) = variable["value"].as_str() {
                let value = self.changed.get(name).copied().unwrap_or(value);
                command.env(name, self.real(container, value));
            }
        }
        let mut path = self.sandbox.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.args(real).env("PATH", path);
        command
    }

    /// Runs the init container. The image's entry point is the binary.
    fn init(&self) -> Ended {
        let container = self.container("exitdir");
        let mut line = vec![absolute_binary().display().to_string()];
        line.extend(words(&container["args"]));
        self.command(container, &line).finish()
    }

    fn start(&self, name: &str) -> Running {
        let container = self.container(name);
        let mut line = words(&container["command"]);
        line.extend(words(&container["args"]));
        self.command(container, &line).start()
    }

    /// Runs the readinessProbe of a container until it succeeds.
    fn await_probe(&self, name: &str) {
        let container = self.container(name);
        let line = words(&container["readinessProbe"]["exec"]["command"]);
        eventually(format!("the probe of {name} succeeds"), || {
            (self.command(container, &line).finish().status == 0).then_some(())
        });
    }

    fn await_condition(&self, condition: &str) {
        let container = self.container("proxy");
        let line = ["/opt/exitdir/exitdir-wait", condition].map(str::to_owned);
        let ended = self.command(container, &line).finish();
        assert_eq!(ended.status, 0, "{condition}: {}", ended.stderr);
    }
}

#[test]
fn the_jobs_among_the_examples_complete() {
    for manifest in JOBS {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        let init = play.init();
        assert_eq!(init.status, 0, "{manifest}: {}", init.stderr);
        let (main, proxy) = (play.start("main"), play.start("proxy"));
        play.await_probe("proxy");
        main.end().assert_output(0, "hello\n");
        let proxy = proxy.end();
        assert_eq!(proxy.status, 0, "{manifest}: {}", proxy.stderr);
    }
}

#[test]
fn main_does_not_wait_for_a_proxy_that_does_not_run_again() {
    let Some(play) = Play::of("job-with-proxy/job-never.yaml") else {
        return;
    };
    assert_eq!(play.init().status, 0);
    let proxy = play.start("proxy");
    play.await_condition("proxy:born");
    proxy.send(KILL);
    assert_eq!(proxy.end().status, 137);
    let main = play.start("main").end();
    assert_eq!(main.status, 143, "{}", main.stderr);
    assert_eq!(main.stdout, "");
}

#[test]
fn a_job_completes_although_the_sandbox_is_made_anew_between_the_ends_of_its_containers() {
    // Under Never nothing runs again.
    for manifest in ["job-with-proxy/job.yaml", "job-with-proxy/job-pvc.yaml"] {
        let Some(play) = Play::of(manifest) else {
            return;
        };
        assert_eq!(play.init().status, 0);
        let proxy = play.start("proxy");
        play.await_condition("proxy:born");
        // Its server works on, but it does not see the end of main.
        proxy.send(STOP);
        play.await_probe("proxy");
        assert_eq!(play.start("main").end().status, 0, "{manifest}");
        proxy.send(KILL);
        proxy.end();
        // The node starts again what has not ended with 0.
        assert_eq!(play.init().status, 0);
        let proxy = play.start("proxy").end();
        assert_eq!(proxy.status, 0, "{manifest}: {}", proxy.stderr);
    }
}

#[test]
fn the_deployment_among_the_examples_drains() {
    let Some(mut play) = Play::of("draining/deployment.yaml") else {
        return;
    };
    assert_eq!(play.init().status, 0);
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
