//! What is the same for every source of `--ready-on`: invalid sources, a stop, an end, and a
//! restart in place.

use crate::support::inspect::{assert_sentence, keys};
use crate::support::proc::await_gone;
use crate::support::readiness_life::{life, life_with, port, probe};
use crate::support::requirements::perl_is_here;
use crate::support::sandbox::{Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use std::fs;
use std::net::SocketAddr;

#[test]
fn a_term_from_outside_before_a_command_is_ready_reaches_it_and_leaves_nothing_behind() {
    let (_listener, port) = port(SocketAddr::from(([127, 0, 0, 1], 0)));
    let sandbox = Sandbox::new();
    // The first probe hangs, and the life ends while it does.
    let slow = "sleep 60 & echo $$ $! | tr ' ' '\\n' >$W/pids; touch $W/probed; wait";
    let probe = probe(&sandbox, slow);
    let nowhere = format!("file:{}", sandbox.path("nowhere").display());
    let (tcp, http) = (format!("tcp:{port}"), format!("http:{port}/"));
    for source in ["notify", "fd", &nowhere, &tcp, &http, &probe, "signal"] {
        let got = "trap 'touch $W/got; trap - TERM; kill -TERM $$' TERM; touch $W/up; while :; do sleep 0.01; done";
        let life = life(&sandbox, source, got).start();
        sandbox.await_file("up");
        sandbox.await_key("x", "Born");
        if source == probe {
            sandbox.await_file("probed");
        }
        life.send(TERM);
        let ended = life.end();
        assert_eq!(ended.status, 143, "{source}");
        // No warning about the descriptor, which was closed without a newline.
        assert_eq!(ended.stderr, "");
        let expected = "Waiting Lock Born ExitCode Signal Reason Died";
        assert_eq!(keys(&sandbox, "x"), expected, "{source}");
        assert_eq!(sandbox.entries(), ["x"], "{source}");
        // The next life says nothing of this one.
        fs::remove_file(sandbox.dir().join("x")).unwrap();
        for file in ["got", "up"] {
            fs::remove_file(sandbox.path(file)).expect("CMD got it");
        }
    }
    for pid in sandbox.lines("pids") {
        await_gone(&pid);
    }
}

#[test]
fn after_a_restart_in_place_the_command_must_become_ready_again() {
    let lives = [("fd", "echo >&3"), ("notify", "say READY=1")].map(|(source, ready)| {
        let sandbox = Sandbox::new();
        let script = format!(
            "echo >>$W/mark; n=$(wc -l <$W/mark); await() {{ while ! test -e $W/$1; do sleep 0.01; done; }}
             await say$n; {ready}; await end$n"
        );
        let options = ["-n", "x", "--restart", "always", "--ready-on", source];
        let life = life_with(&sandbox, &options, &script).start();
        (sandbox, life)
    });
    if !perl_is_here() {
        return;
    }
    for (sandbox, _) in &lives {
        sandbox.touch("say1");
        sandbox.await_key("x", "Ready");
        sandbox.touch("end1");
    }
    for (sandbox, life) in &lives {
        wait_until("a second start", || sandbox.lines("mark").len() == 2);
        assert_eq!(
            sandbox.key("x", "Ready"),
            None,
            "{}",
            sandbox.tombstone("x")
        );
        sandbox.touch("say2");
        sandbox.await_key("x", "Ready");
        life.send(TERM);
    }
    for (_, life) in lives {
        assert_eq!(life.end().status, 143);
    }
}

#[test]
fn a_readiness_source_without_a_meaning_is_refused_in_one_sentence() {
    for source in [
        "Start",
        "start:",
        "notify:1",
        "fd:",
        "fd:2",
        "fd:256",
        "fd:x",
        "file",
        "file:",
        "tcp:",
        "tcp:0",
        "tcp:65536",
        "tcp:localhost",
        "tcp:10.1:80",
        "unix:socket",
        "https://localhost/",
        "http://user@localhost/",
        "notify:some",
        "tcp:::1:80",
        "http:/x",
        "http:80/a b",
        "http:80/a\nb",
        "exec:",
        "exec: ",
    ] {
        let sandbox = Sandbox::new();
        let ended = life(&sandbox, source, "touch $W/started").finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("--ready-on"), "{}", ended.stderr);
        assert!(!sandbox.path("started").exists(), "{source}");
        assert_eq!(
            sandbox.key("x", "ExitCode").as_deref(),
            Some("125"),
            "{source}"
        );

        let ended = life_with(&sandbox, &["-n", "y"], "touch $W/started")
            .env("EXITDIR_READY_ON", source)
            .finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(
            ended.stderr.contains("EXITDIR_READY_ON"),
            "{}",
            ended.stderr
        );
        assert!(!sandbox.path("started").exists(), "{source}");
    }
}

#[test]
fn a_command_that_is_being_stopped_cannot_become_ready() {
    if !perl_is_here() {
        return;
    }
    for (source, ready) in [("fd", "echo >&3"), ("notify", "say READY=1")] {
        let sandbox = Sandbox::new();
        let script =
            format!("trap '{ready}; exit 0' TERM; touch $W/up; while :; do sleep 0.01; done");
        let options = ["-n", "x", "--ready-on", source, "--death-deps", "dep"];
        let life = life_with(&sandbox, &options, &script).start();
        sandbox.await_file("up");
        sandbox.await_key("x", "Born");
        sandbox.record_death("dep", "0");
        assert_eq!(life.end().status, 0);
        let text = sandbox.tombstone("x");
        assert_eq!(sandbox.key("x", "Ready"), None, "{text}");
        assert!(sandbox.key("x", "Cause").is_some(), "{text}");
    }
}
