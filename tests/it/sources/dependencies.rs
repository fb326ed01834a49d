//! Sources as birth and death dependencies of `exitdir-run`.

use crate::support::inspect::{await_any_sleep, sleep_limit, while_stopped};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::servers::Server;
use crate::support::signals::TERM;
use std::process::Command;
use std::time::Duration;

/// `exitdir-run` as in an image that knows of no exit directory. CMD writes a line to `started`
/// with each start.
fn run(sandbox: &Sandbox, options: &[&str], then: &str) -> Command {
    let script = format!("echo up >>\"$W/started\"; {then}");
    let mut command = sandbox.run(options);
    command.args(["--", "sh", "-c", &script]);
    command.env("W", sandbox.path("")).env_remove("EXIT_DIR");
    command
}

fn await_start(sandbox: &Sandbox) {
    wait_until("CMD is started", || sandbox.path("started").exists());
}

/// Waits until a source was tried some more times.
fn await_tries(server: &Server, more: usize) {
    let before = server.tries();
    wait_until("it is tried", || server.tries() >= before + more);
}

#[track_caller]
fn assert_stopped(life: Running, source: &str) {
    let ended = life.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    let says = format!("{source} no longer answers (connection refused): stopping sh with TERM");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
}

#[test]
fn an_injected_proxy_is_followed_by_its_url_and_an_unready_moment_is_no_death() {
    let sandbox = Sandbox::new();
    let proxy = Server::open();
    proxy.set_status(503);
    let url = proxy.http();
    let options = ["--birth-deps", &url, "--death-deps", &url];
    let mut life = run(&sandbox, &options, "exec sleep 60").start();
    await_tries(&proxy, 2);
    assert!(!sandbox.path("started").exists());
    proxy.set_status(200);
    await_start(&sandbox);
    proxy.set_status(503);
    await_tries(&proxy, 5);
    // One that is restarted in no time has not died.
    proxy.close();
    proxy.listen();
    await_tries(&proxy, 2);
    assert!(life.is_running());
    proxy.close();
    assert_stopped(life, &url);
}

#[test]
fn a_source_of_birth_dependencies_alone_is_not_tried_any_more_once_the_command_was_started() {
    let sandbox = Sandbox::new();
    let server = Server::closed();
    let life = run(&sandbox, &["--birth-deps", &server.tcp()], "exec sleep 60").start();
    await_any_sleep(&life);
    server.listen();
    await_start(&sandbox);
    wait_until("it sleeps without a limit", || {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", life.pid()));
        // It waits for signals alone: the third argument is the timeout.
        let waits = call.is_ok_and(|call| {
            let words: Vec<&str> = call.split(' ').collect();
            let number = words.first().and_then(|word| word.parse().ok());
            number == Some(libc::SYS_rt_sigtimedwait) && words.get(3) == Some(&"0x0")
        });
        waits || sleep_limit(life.pid()) == Some(Duration::MAX)
    });
    life.send(TERM);
    assert_eq!(life.end().status, 143);
}

#[test]
fn the_tries_go_on_through_restarts_in_place_and_a_death_ends_the_restarts() {
    let sandbox = Sandbox::new();
    let server = Server::open();
    let options = ["--death-deps", &server.tcp(), "--restart", "always"];
    let life = run(&sandbox, &options, "exec sleep 0.1").start();
    wait_until("a restart", || sandbox.lines("started").len() > 1);
    await_tries(&server, 1);
    server.close();
    let ended = life.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    let says = format!("{} no longer answers (connection refused)", server.tcp());
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
}

#[test]
fn a_server_that_hangs_is_dead_after_ten_seconds_without_an_answer() {
    let sandbox = Sandbox::new();
    let server = Server::hung();
    let source = server.tcp();
    let life = run(&sandbox, &["--death-deps", &source], "exec sleep 60").start();
    // The kernel accepts for it until the backlog is full.
    let ended = life.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    let says = format!("{source} no longer answers (no answer");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
}

#[test]
fn a_source_that_never_answered_is_no_death_but_missing() {
    let sandbox = Sandbox::new();
    let (closed, open) = (Server::closed(), Server::open());
    let source = closed.tcp();
    let open = open.tcp();
    for deps in [source.clone(), format!("{open},{open}+{source}")] {
        let options = ["--death-deps", &deps, "--missing-timeout", "300ms"];
        let ended = run(&sandbox, &options, "exec sleep 60").finish();
        assert_eq!(ended.status, 124, "{}", ended.stderr);
        let says = format!("after 300ms, {source} has never answered (connection refused)");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    }
    // One that answers is not missing.
    let options = ["--death-deps", &open, "--missing-timeout", "2s"];
    let ended = run(&sandbox, &options, "exec sleep 2.5").finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

#[test]
fn a_wait_for_a_source_gives_up_at_the_birth_timeout_and_says_why() {
    let sandbox = Sandbox::new();
    let server = Server::closed();
    let source = server.tcp();
    // A source does not fail fast.
    let options = ["--fail-fast", "--birth-timeout", "1s", "--birth-deps"];
    let options: Vec<&str> = options.into_iter().chain([source.as_str()]).collect();
    let ended = run(&sandbox, &options, "true").finish();
    assert_eq!(ended.status, 124);
    let says = format!("gave up after 1s: {source} does not hold (connection refused)");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    assert!(!sandbox.path("started").exists());
}

#[test]
fn what_a_source_was_before_exitdir_run_was_stopped_starts_no_command() {
    let sandbox = Sandbox::new();
    let server = Server::open();
    let deps = format!("{},go", server.tcp());
    let options = ["--birth-deps", &deps, "--birth-timeout", "6s"];
    let life = sandbox.run(options).args(["--", "echo", "started"]).start();
    await_tries(&server, 1);
    while_stopped(&life, || {
        server.close();
        sandbox.record_ready("go");
        std::thread::sleep(Duration::from_millis(3200));
    });
    let ended = life.end();
    ended.assert_output(124, "");
    let says = format!("{} does not hold (connection refused)", server.tcp());
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
}

#[test]
fn the_cause_of_a_stop_is_the_text_of_the_source_and_is_read_back() {
    let sandbox = Sandbox::new();
    let server = Server::open();
    let url = server.http();
    let begin = |name: &str, deps: &str| {
        let options = ["-n", name, "--death-deps", deps, "--", "sleep", "60"];
        let life = sandbox.run(options).start();
        sandbox.await_key(name, "Ready");
        life
    };
    let (a, b) = (begin("a", &url), begin("b", "a"));
    await_tries(&server, 1);
    server.close();
    assert_eq!(a.end().status, 143);
    assert_eq!(b.end().status, 143);
    let quoted = format!("\"{url}\"");
    let id = sandbox.key("a", "CauseLife").expect("an id");
    for name in ["a", "b"] {
        assert_eq!(sandbox.key(name, "Cause").as_ref(), Some(&quoted));
        assert_eq!(sandbox.key(name, "CauseLife").as_ref(), Some(&id));
        assert_eq!(sandbox.key(name, "Reason").as_deref(), Some("stopped"));
    }
    let shown = sandbox.applet("status").finish().stdout;
    assert!(shown.contains(&format!("stopped, cause {url}")), "{shown}");
    // b has ended for it once, so the death of a from before does not count.
    let mut b = begin("b", "a");
    let fell = format!("\"{url} {}\"", id.trim_matches('"'));
    assert_eq!(sandbox.await_key("b", "Fell"), fell);
    let past = sandbox.key("b", "Past").expect("earlier lives");
    assert!(past.contains(&format!(" 143 {url} ")), "{past}");
    let a = begin("a", &url);
    assert!(b.is_running());
    for life in [a, b] {
        life.send(TERM);
        assert_eq!(life.end().status, 143);
    }
}

#[test]
fn the_text_of_a_source_in_a_tombstone_leads_to_no_file() {
    let sandbox = Sandbox::new();
    let (id, dead) = (
        "2026-11-20T21:29:27Z",
        "ExitCode: 1\nDied: \"2026-11-20T21:29:28Z\"\n",
    );
    let cause = format!("Cause: \"http:1/x\"\nCauseLife: \"{id}\"\n");
    let begun = format!("Waiting: \"{id}\"\n");
    std::fs::create_dir_all(sandbox.dir().join("http:1")).unwrap();
    for (entry, text) in [
        ("http:1/x", format!("{begun}{dead}")),
        ("a", format!("{begun}{cause}{dead}")),
        ("b", format!("{begun}{cause}{dead}")),
    ] {
        std::fs::write(sandbox.dir().join(entry), text).unwrap();
    }
    // If it were found dead, the death of a would count, and the command were not started.
    let options = ["-n", "b", "--death-deps", "a", "--", "echo", "started"];
    sandbox.run(options).finish().assert_output(0, "started\n");
}
