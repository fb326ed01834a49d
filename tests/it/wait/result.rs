//! The result of a wait: its status, its output, and the command that it executes.

use crate::support::inspect::{assert_sentence, start_wait};
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::signals::KILL;
use crate::support::tombstones::write_tombstone;
use std::fs::File;
use std::io::Write as _;

#[test]
fn with_exit_code_the_status_is_that_of_the_death_which_fulfilled_the_last_condition() {
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "a", "Born: T\nExitCode: 3\nDied: T\n");
    write_tombstone(&sandbox, "b", "Born: T\nExitCode: 4\nDied: T\n");
    write_tombstone(&sandbox, "r", "Born: T\n");
    let lost = sandbox.run(["-n", "l", "--", "sleep", "60"]).start();
    sandbox.await_key("l", "Ready");
    lost.send(KILL);
    lost.end();
    for (arguments, status) in [
        (&["a"][..], 3),
        (&["a", "b"], 4),
        (&["b", "a"], 3),
        (&["--any", "b", "a"], 4),
        (&["r:ready"], 0),
        (&["a", "r:ready"], 0),
        (&["r:ready", "a"], 3),
        (&["l"], 137),
        (&["a", "l"], 137),
        (&["l:lost", "a"], 3),
    ] {
        assert_eq!(
            sandbox
                .wait(["-x", "-t", "0"])
                .args(arguments)
                .finish()
                .status,
            status,
            "{arguments:?}"
        );
    }
    let waiter = start_wait(&sandbox, &["--exit-code", "later", "a"]);
    sandbox.signal(["-c", "7", "later"]).finish();
    assert_eq!(waiter.end().status, 7, "later came last");
}

#[test]
fn print_writes_name_state_and_code_of_the_tombstones_that_fulfilled_the_conditions() {
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "a", "Born: T\nExitCode: 3\nDied: T\n");
    write_tombstone(&sandbox, "b", "");
    write_tombstone(&sandbox, "r", "Born: T\n");
    for (arguments, printed) in [
        (&["a"][..], "a failed 3\n"),
        (&["r:born", "b", "a"], "r ready -\nb ok 0\na failed 3\n"),
        (&["--any", "x", "b", "a"], "b ok 0\n"),
        (&[":ready"], "r ready -\n"),
        (&["a:ok"], ""),
        (&["x"], ""),
    ] {
        assert_eq!(
            sandbox
                .wait(["--print", "-t", "0"])
                .args(arguments)
                .finish()
                .stdout,
            printed,
            "{arguments:?}"
        );
    }
    let ended = sandbox
        .wait(["--print", "a", "--", "echo", "then"])
        .finish();
    ended.assert_output(0, "a failed 3\nthen\n");
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_sentence(
        &sandbox.wait(["--print", "a"]).stdout(full).finish(),
        "exitdir-wait",
        125,
    );
}

#[test]
fn the_command_of_a_wait_replaces_its_process() {
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "a", "");
    let script = "echo $$; exec \"$0\" wait a -- sh -c 'echo $$; echo \"$1\"; echo \"$EXIT_DIR\"; cat; exit 6' sh 'two  words'";
    let mut shell = sandbox.command("sh");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"from stdin\n").unwrap();
    drop(writer);
    let ended = shell
        .args(["-c", script])
        .arg(binary())
        .stdin(reader)
        .finish();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(ended.status, 6, "{ended:?}");
    assert_eq!(lines[0], lines[1], "the same process");
    assert_eq!(
        &lines[2..],
        ["two  words", &sandbox.dir().to_string_lossy(), "from stdin"]
    );

    // Both lists are of one process, because it may have inherited other descriptors.
    let script = "ls /proc/self/fd; echo and; exec \"$0\" wait a -- ls /proc/self/fd";
    let ended = sandbox
        .command("sh")
        .args(["-c", script])
        .arg(binary())
        .finish();
    let (plain, ours) = ended.stdout.split_once("and\n").unwrap();
    assert_eq!(ours, plain, "no descriptor of ours is left open");
    let ended = sandbox.wait(["a:failed", "--", "echo", "started"]).finish();
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (1, ""),
        "a wait that fails starts nothing"
    );
    let ended = sandbox
        .wait(["-t", "0", "x", "--", "echo", "started"])
        .finish();
    ended.assert_output(124, "");
}
