//! Groups: `A+B` holds when both hold at one moment.

use crate::support::inspect::start_wait;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::servers::Server;
use crate::support::signals::TERM;

#[test]
fn a_wait_for_a_group_ends_when_its_parts_hold_at_one_moment() {
    let sandbox = Sandbox::new();
    let server = Server::open();
    let group = format!("main:ok+{}", server.tcp());
    sandbox.record_death("main", "0");
    assert!(sandbox.holds(&group));
    // A new life withdraws the end of the one before it.
    let life = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Ready");
    let ended = sandbox.wait([&group, "-t", "0"]).finish();
    assert_eq!(ended.status, 124);
    let says = "main:ok does not hold (main is ready)";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
    server.close();
    life.send(TERM);
    life.end();
    // main can no longer end with 0, and with --any the other item may hold.
    assert_eq!(sandbox.wait([&group]).finish().status, 1);
    let waiter = start_wait(&sandbox, &["--any", "--print", &group, "other"]);
    sandbox.record_death("other", "5");
    waiter.end().assert_output(0, "other failed 5\n");
}

#[test]
fn a_group_of_death_dependencies_stops_when_all_have_ended_and_is_clean_if_all_ended_with_0() {
    for (code, status) in [("0", 0), ("3", 143)] {
        let sandbox = Sandbox::new();
        let options = ["-n", "proxy", "--death-deps", "first+second"];
        let mut proxy = sandbox.run(options).args(["--", "sleep", "60"]).start();
        sandbox.await_key("proxy", "Ready");
        sandbox.record_death("first", code);
        let first = sandbox.run(["-n", "first", "--", "sleep", "60"]).start();
        sandbox.await_key("first", "Ready");
        // It lives again.
        sandbox.record_death("second", "0");
        let second = sandbox.run(["-n", "second", "--", "sleep", "60"]).start();
        sandbox.await_key("second", "Ready");
        assert!(proxy.is_running());
        sandbox.signal(["-c", code, "first"]).finish();
        assert!(proxy.is_running());
        sandbox.signal(["-c", "0", "second"]).finish();
        let ended = proxy.end();
        assert_eq!(ended.status, status, "{}", ended.stderr);
        assert_eq!(sandbox.key("proxy", "Cause").as_deref(), Some("second"));
        let says = format!("first died with exit code {code}, second died with exit code 0: ");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
        drop((first, second));
    }
}

#[test]
fn a_group_of_birth_dependencies_is_recorded_and_shown_as_it_was_typed() {
    let sandbox = Sandbox::new();
    let server = Server::closed();
    let source = server.tcp();
    let births = format!("a+{source}, b:ok+c");
    let options = ["-n", "x", "--birth-deps", &births, "--death-deps", "d+e"];
    let life = sandbox.run(options).args(["--", "true"]).start();
    let recorded = format!("\"a:ready+{source},b:ok+c:ready\"");
    assert_eq!(sandbox.await_key("x", "WaitingFor"), recorded);
    assert_eq!(sandbox.await_key("x", "Follows"), "\"d:died+e:died\"");
    sandbox.record_ready("c");
    sandbox.record_death("b", "0");
    sandbox.record_ready("a");
    let shown = sandbox.applet("status").finish().stdout;
    let says = format!("for a:ready+{source}\n");
    assert!(shown.contains(&says), "{shown}");
    server.listen();
    assert_eq!(life.end().status, 0);
}
