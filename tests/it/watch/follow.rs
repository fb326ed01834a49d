//! How a follower treats lives that begin and end between two scans, replaced directories, and
//! unreadable files. A follower that is stopped scans late, however fast the machine is.

use crate::support::inspect::{await_sleep, start_wait, while_stopped};
use crate::support::proc::only_child;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use crate::support::users::{as_nobody, installed, nobody_is_permitted};
use exitdir::{Announcement, ExitDir, Name, Tombstone};
use std::process::Command;

#[test]
fn a_life_that_begins_and_ends_between_two_scans_counts_as_a_death() {
    let sandbox = Sandbox::new();
    let waits = start_wait(&sandbox, &["x:ready"]);
    while_stopped(&waits, || {
        assert_eq!(sandbox.run(["-n", "x", "--", "false"]).finish().status, 1)
    });
    assert_eq!(waits.end().status, 1);
}

#[test]
fn the_end_of_a_life_is_read_from_its_own_file_even_if_the_next_life_begins() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(["-n", "x", "--", "sleep", "60"]).start();
    sandbox.await_key("x", "Ready");
    let fails = start_wait(&sandbox, &["x:exit=143", "--print"]);
    let mut second = None;
    while_stopped(&fails, || {
        first.send(TERM);
        assert_eq!(first.end().status, 143);
        let run = sandbox.run(["-n", "x", "--", "sleep", "60"]).start();
        wait_until("the next life is there", || {
            !sandbox.tombstone("x").contains("Died")
        });
        second = Some(run);
    });
    let ended = fails.end();
    ended.assert_output(0, "x failed 143\n");
}

#[test]
fn an_orderly_end_is_not_lost_among_many_other_tombstones() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    for at in 0..300 {
        std::fs::write(
            sandbox.dir().join(format!("dead{at}")),
            "ExitCode: 0\nDied: \"d\"\n",
        )
        .unwrap();
    }
    let first = sandbox.run(["-n", "zz", "--", "sh", "-c", "read line", "sh"]);
    let mut first = first;
    let run = first.stdin(std::process::Stdio::piped()).start();
    sandbox.await_key("zz", "Ready");
    let fails = start_wait(&sandbox, &[":failed", ":exit=7", "--any", "--print"]);
    let mut second = None;
    while_stopped(&fails, || {
        // read meets the end of its input and fails; -e is not given, so say 0 for it.
        sandbox.record_death("zz", "0");
        run.send(TERM);
        run.end();
        second = Some(sandbox.run(["-n", "zz", "--", "sleep", "60"]).start());
        wait_until("the next life is there", || {
            !sandbox.tombstone("zz").contains("Died")
        });
    });
    // This death comes after the event that is tested.
    sandbox.record_death("last", "7");
    let ended = fails.end();
    ended.assert_output(0, "last failed 7\n");
}

#[test]
fn a_recreated_directory_is_another_one_even_with_the_same_inode() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let waits = start_wait(&sandbox, &["x"]);
    std::fs::remove_dir(sandbox.dir()).unwrap();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let ended = waits.end();
    assert_eq!(ended.status, 125);
    assert!(
        ended.stderr.contains("removed, moved or unmounted"),
        "{}",
        ended.stderr
    );

    let run = sandbox
        .run(["--death-deps", "x", "--", "sleep", "60"])
        .start();
    await_sleep(&run);
    std::fs::remove_dir(sandbox.dir()).unwrap();
    std::fs::create_dir(sandbox.dir()).unwrap();
    sandbox.record_death("x", "1");
    let ended = run.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("watching for its return"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_unreadable_file_of_another_name_does_not_end_a_wait_for_a_failure() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    sandbox.record_death("secret", "1");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(sandbox.dir().join("secret"), mode).unwrap();
    let waits = as_nobody(&sandbox, &binary)
        .args(["wait", ":failed", "--print"])
        .start();
    await_sleep(&waits);
    sandbox.record_death("x", "1");
    let ended = waits.end();
    ended.assert_output(0, "x failed 1\n");
    let count = ended.stderr.matches("cannot read").count();
    assert_eq!(count, 1, "{}", ended.stderr);
}

#[test]
fn a_probe_is_waited_for_even_if_sigchld_is_ignored() {
    let sandbox = Sandbox::new();
    let main = sandbox
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.await_key("main", "Born");
    let ended = ignoring_children(&sandbox)
        .args(["signal", "--ready", "main", "--", "true"])
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    sandbox.await_key("main", "Ready");
    assert!(main.pid() > 0);
}

/// The binary under test with `SIGCHLD` ignored.
fn ignoring_children(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command("env");
    command
        .arg("--ignore-signal=CHLD")
        .arg(crate::support::sandbox::binary());
    command
}

#[test]
fn threads_of_one_program_that_signal_at_once_leave_one_whole_tombstone() {
    let sandbox = Sandbox::new();
    let path = sandbox.dir();
    for round in 0..50 {
        let name = Name::new(&format!("n{round}")).unwrap();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for code in 0..4 {
                let (name, path, start) = (&name, &path, &start);
                scope.spawn(move || {
                    start.wait();
                    ExitDir::new(path)
                        .signal(name, Announcement::Died(code), None)
                        .unwrap();
                });
            }
        });
        let text = sandbox.tombstone(name.as_str());
        let tombstone = Tombstone::parse(text.as_bytes());
        assert!(
            tombstone.died.is_some() && text.matches("Died").count() == 1,
            "{text}"
        );
    }
    assert_eq!(sandbox.entries().len(), 50, "nothing is left behind");
}

#[test]
fn a_wait_works_in_a_command_substitution_and_at_the_process_limit() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    std::fs::create_dir(sandbox.dir()).unwrap();
    let mut limited = as_nobody(&sandbox, "sh");
    let script = limited
        .args(["-c", "ulimit -u 1; exec \"$0\" wait x --print"])
        .arg(&binary)
        .start();
    let mut substituted = as_nobody(&sandbox, "sh");
    let plain = substituted
        .args([
            "-c",
            "found=$(\"$0\" wait x --print); echo \"found $found\"",
        ])
        .arg(&binary)
        .start();
    await_sleep(&script);
    only_child("the substituted wait is there", plain.pid());
    sandbox.record_death("x", "0");
    assert_eq!(script.end().stdout, "x ok 0\n");
    assert_eq!(plain.end().stdout, "found x ok 0\n");
}

#[test]
fn an_error_is_printed_even_if_the_kernel_refuses_nonblocking_writes() {
    let sandbox = Sandbox::new();
    let mut strace = sandbox.command("strace");
    strace.args([
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=pwritev2",
        "-e",
        "inject=pwritev2:error=EPERM",
    ]);
    if !is_permitted(
        "injecting faults with strace",
        sandbox
            .command("strace")
            .args(["-qq", "-o", "/dev/null", "true"]),
    ) {
        return;
    }
    let ended = strace
        .arg(crate::support::sandbox::binary())
        .args(["wait", "-t", "0", "never"])
        .finish();
    assert_eq!(ended.status, 124);
    assert!(
        ended.stderr.starts_with("exitdir-wait: timed out"),
        "{}",
        ended.stderr
    );
}
