//! `--ready-on fd`: a newline on a descriptor that only the command gets.

use crate::support::readiness_life::life;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::signals::TERM;
use std::collections::BTreeSet;

#[test]
fn the_highest_descriptor_that_the_limit_allows_can_be_used() {
    let sandbox = Sandbox::new();
    let run = life(&sandbox, "fd:40", "exec sleep 60");
    let mut limited = sandbox.command("sh");
    limited.args(["-c", "ulimit -n 41; exec \"$@\"", "sh"]);
    limited.arg(run.get_program()).args(run.get_args());
    let life = limited.env("W", sandbox.path(".")).start();
    sandbox.await_key("x", "Born");
    life.send(TERM);
    assert_eq!(life.end().status, 143);
}

#[test]
fn a_newline_on_the_descriptor_makes_ready_and_later_writes_do_not_block() {
    for (source, number) in [("fd", 3), ("fd:7", 7)] {
        let sandbox = Sandbox::new();
        let script = format!(
            "printf half >&{number}; touch $W/half; while ! test -e $W/go; do sleep 0.01; done
             printf ' a line\\nand' >&{number}; head -c 300000 /dev/zero >&{number} && touch $W/more; exec sleep 60"
        );
        let life = life(&sandbox, source, &script).start();
        sandbox.await_file("half");
        sandbox.await_key("x", "Born");
        assert_eq!(sandbox.key("x", "Ready"), None);
        sandbox.touch("go");
        sandbox.await_key("x", "Ready");
        sandbox.await_file("more");
        life.send(TERM);
        assert_eq!(life.end().stderr, "");
    }
}

#[test]
fn a_descriptor_closed_without_a_newline_causes_one_warning_and_no_readiness() {
    // A command that ends causes no warning.
    let sentence =
        "exitdir-run: descriptor 3 was closed without a newline: the command is not ready\n";
    for (script, said) in [
        ("printf half >&3; exec 3>&-; sleep 2", sentence),
        ("exec 3>&-; sleep 2", sentence),
        ("exec 3>&-", ""),
        ("printf half >&3", ""),
    ] {
        let sandbox = Sandbox::new();
        let ended = life(&sandbox, "fd", script).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, said), "{script}");
        assert_eq!(sandbox.key("x", "Ready"), None, "{script}");
    }
}

#[test]
fn the_command_gets_only_the_descriptor_that_the_option_names() {
    let sandbox = Sandbox::new();
    let exitdir = crate::support::sandbox::binary();
    // In one process, since it may have inherited descriptors.
    let listed = |source: &str| {
        let script = "ls /proc/self/fd; echo and; exec \"$0\" run -n x --death-deps never --ready-on \"$1\" -- ls /proc/self/fd";
        let ended = sandbox
            .command("sh")
            .args(["-c", script])
            .arg(&exitdir)
            .arg(source)
            .finish();
        let (plain, ours) = ended.stdout.split_once("and\n").unwrap();
        [plain, ours].map(|list| {
            let numbers = list.lines().map(|line| line.parse().unwrap());
            numbers.collect::<BTreeSet<u32>>()
        })
    };
    for source in [
        "notify",
        "file:/nowhere",
        "tcp:1",
        "http:1/",
        "exec:sleep 9",
        "signal",
    ] {
        let [plain, ours] = listed(source);
        assert_eq!(ours, plain, "{source}");
    }
    for number in [100, 255] {
        let [mut plain, ours] = listed(&format!("fd:{number}"));
        plain.insert(number);
        assert_eq!(ours, plain, "fd:{number}");
    }

    // Even if exitdir-run has inherited a descriptor of that number.
    let script = "exec 3</dev/null; exec \"$0\" run -n x --ready-on fd -- sh -c 'echo >&3'";
    let ended = sandbox
        .command("sh")
        .args(["-c", script])
        .arg(&exitdir)
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        sandbox.key("x", "Ready").is_some(),
        "{}",
        sandbox.tombstone("x")
    );
}
