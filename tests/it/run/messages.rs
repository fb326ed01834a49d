//! What `exitdir-run` says, how much of it, and where: a standard error that takes nothing, and the
//! termination log.

use crate::support::inspect::{assert_sentence, keys};
use crate::support::recorder::Recorder;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::signals::USR1;
use rustix::fs::OFlags;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

#[test]
fn quiet_leaves_only_errors_and_verbose_adds_lines() {
    let said = |options: &[&str], deps: &str| {
        let sandbox = Sandbox::new();
        sandbox.record_death("dep", "0");
        let ended = sandbox
            .run(options)
            .args(["--death-deps", deps, "--", "true"])
            .finish();
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        ended.stderr.lines().count()
    };
    assert_eq!(said(&[], "dep"), 1, "not starting");
    assert_eq!(said(&["-q"], "dep"), 0);
    assert_eq!(said(&[], "never"), 0);
    assert!(said(&["-v"], "never") >= 1);
    assert!(said(&["-vvv"], "never") >= 1);
    let sandbox = Sandbox::new();
    assert_sentence(
        &sandbox
            .run([
                "-q",
                "--birth-deps",
                "never",
                "--birth-timeout",
                "0",
                "true",
            ])
            .finish(),
        "exitdir-run",
        124,
    );
}

#[test]
fn verbose_begins_with_the_resolved_options_which_can_be_pasted_into_a_shell() {
    let bash = ["-c", "true"];
    if !is_permitted("bash", Command::new("bash").args(bash)) {
        return;
    }
    let sandbox = Sandbox::new();
    let link = sandbox.path("exitdir-run");
    std::os::unix::fs::symlink(std::fs::canonicalize(binary()).unwrap(), &link).unwrap();
    let first_line = |command: &mut Command| {
        let ended = command.finish();
        assert_eq!(ended.stdout, "it's\n\u{e9} $x \\ \n");
        let (line, _) = ended.stderr.split_once('\n').unwrap();
        line.to_owned()
    };
    let mut command = sandbox.run(["-ne", "--timeout", "2m", "--rewrite=TERM:USR1"]);
    command.envs([("EXITDIR_NAME", "main"), ("EXITDIR_VERBOSE", "1")]);
    command.envs([
        ("EXITDIR_GRACE_PERIOD", "0.5"),
        ("EXITDIR_STOP_SIGNAL", "SIGTERM"),
    ]);
    let line = first_line(command.args(["printf", "%s\n", "it's\n\u{e9} $x \\ "]));
    let prefix = "exitdir-run: resolved options: ";
    let pasted = line.strip_prefix(prefix).unwrap();
    let options = "--name e --grace-period 0.5 --timeout 2m --rewrite TERM:USR1 --verbose";
    let dir = sandbox.dir();
    let begin = format!("exitdir-run --dir {} {options} -- printf ", dir.display());
    assert!(pasted.starts_with(&begin), "{pasted}");
    let path = format!("{}:/usr/bin:/bin", sandbox.path(".").display());
    let mut shell = sandbox.command("bash");
    shell.env("PATH", path).env_remove("EXIT_DIR");
    assert_eq!(first_line(shell.args(["-c", pasted])), line);
    assert_eq!(sandbox.entries(), ["e"]);
}

/// A pipe that no other test's processes inherit.
fn cloexec_pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// A pipe with space for `room` more bytes, and its reading end.
fn filled_pipe(room: usize) -> (OwnedFd, OwnedFd) {
    let (reader, writer) = cloexec_pipe();
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, OFlags::empty()).unwrap();
    let mut back = vec![0; room];
    let mut left = room;
    while left > 0 {
        left -= rustix::io::read(&reader, &mut back[..left]).unwrap();
    }
    (reader, writer)
}

#[test]
fn a_standard_error_that_cannot_be_written_changes_nothing_else() {
    for kind in ["closed", "full device", "no reader", "full pipe"] {
        let traps = "trap 'echo USR1 >> \"$RECORD\"' USR1; trap 'echo PIPE >> \"$RECORD\"' PIPE; trap 'echo TERM >> \"$RECORD\"' TERM; exec 2>/dev/null";
        let mut held = None;
        let recorder = Recorder::start(traps, |sandbox| match kind {
            "closed" => {
                let mut command = sandbox.command("sh");
                command
                    .args(["-c", "exec 2>&-; exec \"$0\" \"$@\""])
                    .arg(binary())
                    .args(["run", "-v", "-n", "main", "--death-deps", "dep"]);
                command
            }
            _ => {
                let mut command = sandbox.run(["-v", "-n", "main", "--death-deps", "dep"]);
                match kind {
                    "full device" => command.stderr(
                        std::fs::File::options()
                            .write(true)
                            .open("/dev/full")
                            .unwrap(),
                    ),
                    "no reader" => command.stderr(cloexec_pipe().1),
                    _ => {
                        let (reader, writer) = filled_pipe(0);
                        held = Some(reader);
                        command.stderr(writer)
                    }
                };
                command
            }
        });
        // With -v each of these writes a line.
        recorder.running.send(USR1);
        recorder.await_entry("USR1");
        recorder.sandbox.record_death("dep", "0");
        recorder.await_entry("TERM");
        assert_eq!(recorder.record(), ["up", "USR1", "TERM"], "{kind}");
        recorder.let_go();
        let Recorder { sandbox, running } = recorder;
        assert_eq!(running.end().status, 5, "{kind}");
        assert_eq!(
            keys(&sandbox, "main"),
            "Waiting Lock Follows Born Ready Cause CauseLife ExitCode Reason Died",
            "{kind}"
        );
        drop(held);
    }
}

#[test]
fn a_long_line_to_a_pipe_that_is_almost_full_does_not_block() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..200)
        .map(|at| format!("{}{at}", "n".repeat(200)))
        .collect();
    let (_reader, writer) = filled_pipe(4096);
    let mut run = sandbox.run([
        "-n",
        "main",
        "--birth-timeout",
        "0",
        "--birth-deps",
        &names.join(","),
        "--",
        "true",
    ]);
    assert_eq!(run.stderr(Stdio::from(writer)).finish().status, 124);
    assert_eq!(
        sandbox.key("main", "Reason").as_deref(),
        Some("birth-timeout")
    );
}

#[test]
fn the_termination_log_says_why_exitdir_run_ended_unless_the_command_ended_by_itself() {
    let sandbox = Sandbox::new();
    sandbox.record_death("dep", "3");
    let inside = |before: &str, words: &str| {
        let mut command = sandbox.command("unshare");
        let script = format!(
            "mount -t tmpfs tmpfs /dev && {before} >/dev/termination-log; \"$0\" run {words} 2>&1; cat /dev/termination-log 1>&2"
        );
        command.args(["-m", "sh", "-c", &script]).arg(binary());
        command
    };
    if !is_permitted(
        "a mount over /dev",
        sandbox
            .command("unshare")
            .args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /dev"]),
    ) {
        return;
    }
    for words in [
        "--death-deps dep -- true",
        "--timeout 0 -- sleep 60",
        "--birth-deps never --birth-timeout 0 -- true",
        "-- /nonexistent",
        "--bogus",
        "-n bad/name -- true",
        "-q --death-deps dep -- true",
    ] {
        let ended = inside(":", words).finish();
        let said = if words.starts_with("-q") {
            "exitdir-run: dep died with exit code 3: not starting true\n"
        } else {
            &ended.stdout
        };
        assert_eq!(ended.stderr, said, "{words}");
        assert_eq!(said.lines().count(), 1, "{words}: {ended:?}");
        assert_eq!(
            inside("echo before", words).finish().stderr,
            "before\n",
            "{words}: only if it is empty"
        );
    }
    for words in ["-- false", "-e 1 -- false", "-- true"] {
        assert_eq!(
            inside(":", words).finish().stderr,
            "",
            "{words}: the command ended by itself"
        );
    }
}

#[test]
fn the_termination_log_can_be_any_file_that_exists_and_is_empty() {
    let sandbox = Sandbox::new();
    sandbox.record_death("dep", "3");
    let log = sandbox.path("message");
    let path = log.to_str().expect("UTF-8");
    let says = |words: &[&str], before: &str| {
        std::fs::write(&log, before).expect("writable");
        let ended = sandbox.run(words.iter().copied()).finish();
        let text = std::fs::read_to_string(&log).expect("readable");
        (ended.stderr, text)
    };
    for words in [
        // While it runs, before it could begin, and when the usage is wrong.
        [
            "--termination-log",
            path,
            "--death-deps",
            "dep",
            "--",
            "true",
        ],
        ["--termination-log", path, "-q", "--", "/nonexistent", "-"],
        ["--termination-log", path, "--exit-only", "--", "true", "-"],
    ] {
        let (said, written) = says(&words, "");
        assert_eq!(written, said, "{words:?}");
        assert_eq!(written.lines().count(), 1, "{words:?}");
        let (_, written) = says(&words, "before\n");
        assert_eq!(written, "before\n", "{words:?}: only if it is empty");
    }
    std::fs::remove_file(&log).expect("ours");
    sandbox
        .run(["--termination-log", path, "--", "/nonexistent"])
        .finish();
    assert!(!log.exists(), "a file that is not there is not created");
}
