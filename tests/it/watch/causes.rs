//! Which deaths count for a life, by the cause that they name: what `docs/tombstone.md` says about
//! causes, with real lives.

use crate::support::sandbox::{Ended, Running, Sandbox, Start, wait_until};
use crate::support::signals::KILL;
use exitdir::Timestamp;
use std::time::{Duration, SystemTime};

/// A life that prints `started`, if its command is started.
fn try_life(sandbox: &Sandbox, name: &str, options: &str) -> Ended {
    let mut run = sandbox.run(["-n", name]);
    run.args(options.split_whitespace());
    run.args(["--", "echo", "started"]).finish()
}

fn assert_refused(sandbox: &Sandbox, name: &str, options: &str) {
    try_life(sandbox, name, options).assert_output(0, "");
}

fn long_life(sandbox: &Sandbox, name: &str) -> Running {
    let before = sandbox.key(name, "Waiting");
    let life = sandbox.run(["-n", name, "--", "sleep", "60"]).start();
    wait_until("it lives", || sandbox.key(name, "Waiting") != before);
    sandbox.await_key(name, "Born");
    life
}

#[test]
fn a_death_counts_again_as_long_as_its_cause_does_not_come_back() {
    let sandbox = Sandbox::new();
    try_life(&sandbox, "main", "").assert_output(0, "started\n");
    assert_refused(&sandbox, "proxy", "--death-deps main");
    // The last of the chain does not follow main. A node that starts it again must not see it wait
    // for ever.
    for _ in 0..3 {
        assert_refused(&sandbox, "log", "--death-deps proxy");
    }
    assert!(sandbox.key("log", "Fell").unwrap().contains("main "));
    // Main lives again, so the proxy will be back too.
    let main = long_life(&sandbox, "main");
    try_life(&sandbox, "log", "--death-deps proxy").assert_output(0, "started\n");
    main.send(KILL);
}

#[test]
fn a_life_that_publishes_only_its_death_says_what_it_was_stopped_for() {
    let sandbox = Sandbox::new();
    try_life(&sandbox, "main", "").assert_output(0, "started\n");
    for _ in 0..2 {
        assert_refused(&sandbox, "proxy", "--exit-only --death-deps main");
        assert_eq!(sandbox.key("proxy", "Cause").as_deref(), Some("main"));
    }
    let fell = sandbox.key("proxy", "Fell").unwrap();
    assert!(fell.contains(sandbox.key("main", "Waiting").unwrap().trim_matches('"')));
    // So main, which caused it, does not stop for it.
    try_life(&sandbox, "main", "--death-deps proxy").assert_output(0, "started\n");
    // And a life of the proxy's name does not stop twice for one death of main.
    let main = long_life(&sandbox, "main");
    assert_refused(&sandbox, "log", "--death-deps proxy");
    let again = try_life(&sandbox, "proxy", "--exit-only --death-deps log");
    again.assert_output(0, "started\n");
    main.send(KILL);
}

#[test]
fn a_stop_for_the_state_of_a_living_life_is_not_taken_for_one_for_its_death() {
    let sandbox = Sandbox::new();
    let main = long_life(&sandbox, "main");
    assert_refused(&sandbox, "proxy", "--death-deps main:born");
    assert_eq!(sandbox.key("proxy", "Cause").as_deref(), Some("main"));
    assert_eq!(sandbox.key("proxy", "CauseLife"), None);
    main.send(KILL);
}

#[test]
fn an_id_of_a_wrong_clock_makes_no_death_and_hides_none() {
    let wrong = SystemTime::now() + Duration::from_secs(30 * 86_400);
    let wrong = Timestamp::from_system_time(wrong);
    for id in [wrong.as_str(), "0001-01-01T00:00:00Z", "garbage"] {
        let sandbox = Sandbox::new();
        sandbox.record_death("other", "0");
        let text = format!("Waiting: \"{id}\"\nExitCode: 1\nDied: \"{id}\"\n");
        std::fs::write(sandbox.dir().join("main"), text).unwrap();
        let main = long_life(&sandbox, "main");
        let mut follower =
            sandbox.run("-n f --death-deps main --poll 0.02 -- sleep 0.4".split(' '));
        follower.finish().assert_output(0, "");
        let fell = format!("Waiting: w\nFell: \"main {id}\"\nExitCode: 1\nDied: d\n");
        std::fs::write(sandbox.dir().join("f"), fell).unwrap();
        main.send(KILL);
        main.end();
        let ended = try_life(&sandbox, "proxy", "--death-deps main");
        assert_eq!(ended.status, 143, "{ended:?}");
        let next = long_life(&sandbox, "main");
        let ended = try_life(&sandbox, "f", "--death-deps proxy");
        assert_eq!((ended.status, ended.stdout.as_str()), (143, ""), "{id}");
        next.send(KILL);
    }
}
