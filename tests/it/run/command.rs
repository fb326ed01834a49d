//! What the command of `exitdir-run` gets: words, environment, streams, signal mask, process group,
//! and signals.

use crate::support::inspect::keys;
use crate::support::proc::{await_gone, is_gone};
use crate::support::recorder::Recorder;
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::signals::{KILL, USR1, USR2, send_all};

#[test]
fn the_command_gets_its_words_environment_and_standard_streams_as_they_are() {
    let sandbox = Sandbox::new();
    let shell = |script: &str, words: &[&str]| {
        let mut command = sandbox.command("sh");
        command.args(["-c", script]).arg(binary()).args(words);
        command
    };
    let ended = shell("echo 'to stdin' | \"$0\" run -n main -- sh -c 'cat; echo \"$#:$1:$2\"; echo err >&2' sh '' 'a  b'", &[]).finish();
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("to stdin\n2::a  b\n", "err\n")
    );

    let plain = sandbox
        .command("env")
        .env_remove("EXIT_DIR")
        .env("STRANGE", " \n\u{e4}")
        .finish();
    let ours = sandbox
        .run(["env"])
        .env_remove("EXIT_DIR")
        .env("STRANGE", " \n\u{e4}")
        .finish();
    assert_eq!(
        ours.stdout, plain.stdout,
        "without variables of exitdir, nothing is added and nothing is removed"
    );
    // Both lists are of one process, because it may have inherited other descriptors.
    let script = "exec 7</dev/null; ls /proc/self/fd; echo and; exec \"$0\" run -n x --death-deps never -- ls /proc/self/fd";
    let ended = shell(script, &[]).finish();
    let (plain, ours) = ended.stdout.split_once("and\n").unwrap();
    assert_eq!(
        ours, plain,
        "the command inherits all descriptors of its caller, and none of exitdir-run"
    );
    assert!(ours.lines().any(|fd| fd == "7"), "{ours}");
}

#[test]
fn the_command_gets_closed_streams_closed_and_no_message_goes_into_a_tombstone() {
    for (closing, expected) in [
        ("0<&-", "101"),
        ("1>&-", "011"),
        ("2>&-", "110"),
        ("0<&- 1>&- 2>&-", "000"),
        ("", "111"),
    ] {
        for applet in ["run -n main --death-deps never --", "wait :ok --"] {
            let sandbox = Sandbox::new();
            sandbox.record_death("dead", "0");
            let expected = if expected == "101" {
                "011"
            } else if expected == "011" {
                "101"
            } else {
                expected
            };
            for (fd, open) in expected.chars().enumerate() {
                // There is no shell between, because it might open the missing descriptors.
                let script = format!(
                    "exec {closing}; exec \"$0\" {applet} /usr/bin/test -e /proc/self/fd/{fd}"
                );
                let ended = sandbox
                    .command("sh")
                    .args(["-c", &script])
                    .arg(binary())
                    .finish();
                assert_eq!(
                    ended.status,
                    i32::from(open == '0'),
                    "{applet} {closing}: descriptor {fd}: {ended:?}"
                );
            }
        }
        // The tombstone must not get the number of a closed stream and then the messages.
        let sandbox = Sandbox::new();
        let script = format!(
            "exec {closing}; exec \"$0\" run -v -n main --death-deps never -- /nonexistent"
        );
        assert_eq!(
            sandbox
                .command("sh")
                .args(["-c", &script])
                .arg(binary())
                .finish()
                .status,
            127
        );
        assert_eq!(
            keys(&sandbox, "main"),
            "Waiting Lock Follows ExitCode Reason Message Died",
            "{closing}: {}",
            sandbox.tombstone("main")
        );
    }
}

#[test]
fn the_command_gets_the_signal_mask_and_dispositions_of_exitdir_runs_caller() {
    // There is no shell between, because dash clears its mask.
    let show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    for preparation in [
        &["env"][..],
        &["env", "--block-signal=USR1,TERM,RTMIN+3"],
        &["env", "--ignore-signal=PIPE"],
        &[
            "env",
            "--ignore-signal=PIPE,HUP,INT,CHLD",
            "--block-signal=CHLD,PIPE",
        ],
    ] {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "0");
        let plain = sandbox
            .command(preparation[0])
            .args(&preparation[1..])
            .args(show)
            .finish();
        assert_eq!(plain.stdout.lines().count(), 3, "{plain:?}");
        for applet in [
            &["run", "-n", "main", "--death-deps", "never", "--"][..],
            &["wait", "dead", "--"],
        ] {
            let ended = sandbox
                .command(preparation[0])
                .args(&preparation[1..])
                .arg(binary())
                .args(applet)
                .args(show)
                .finish();
            assert_eq!(
                (ended.status, &ended.stdout),
                (0, &plain.stdout),
                "{preparation:?} {applet:?}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn the_command_leads_a_process_group_of_its_own() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run(["cat", "/proc/self/stat"]).finish();
    let fields: Vec<&str> = ended.stdout.split(' ').collect();
    assert_eq!(fields[0], fields[4], "process and group: {}", ended.stdout);
}

#[test]
fn every_signal_is_forwarded_with_its_number() {
    // Real-time signals too, also those that a C library reserves. (glibc's posix_spawn, which
    // starts exitdir-run here, leaves 32 and 33 ignored.)
    for number in [1, 2, 3, 6, 10, 12, 14, 15, 24, 34, 35, 37, 64] {
        let sandbox = Sandbox::new();
        let main = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
        sandbox.await_key("main", "Born");
        send_all(main.pid(), &[number]);
        assert_eq!(main.end().status, 128 + number, "signal {number}");
        assert_eq!(
            sandbox.key("main", "ExitCode"),
            Some((128 + number).to_string())
        );
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some("exited"),
            "it was sent from outside"
        );
    }
}

#[test]
fn with_group_a_signal_goes_to_all_processes_of_the_group() {
    for (group, expected) in [(true, vec!["child", "up"]), (false, vec!["up"])] {
        // The child of the command records the signal, and the command itself ignores it.
        let traps = "(trap '' USR2; trap 'echo child >> \"$RECORD\"; exit' USR1; echo child-up > \"$RECORD.child\"; while test -d \"$SANDBOX\" && ! test -e \"$SANDBOX/end\"; do sleep 0.01; done) & \
                     trap '' USR1; trap 'echo done >> \"$RECORD.done\"' USR2; while ! test -e \"$RECORD.child\"; do sleep 0.01; done";
        let recorder = Recorder::start(traps, |sandbox| {
            sandbox.run(if group {
                &["-g", "-n", "main"][..]
            } else {
                &["-n", "main"]
            })
        });
        recorder.running.send(USR1);
        recorder.running.send(USR2);
        recorder.sandbox.await_file("record.done");
        if group {
            recorder.await_entry("child");
        }
        recorder.let_go();
        let Recorder { sandbox, running } = recorder;
        assert_eq!(running.end().status, 5);
        let mut record = sandbox.lines("record");
        record.sort();
        assert_eq!(record, expected);
    }
}

#[test]
fn the_command_dies_with_a_supervisor_that_is_killed() {
    let recorder = Recorder::start("echo $$ > \"$RECORD.pid\"; trap '' TERM HUP", |sandbox| {
        sandbox.run(["-n", "main"])
    });
    let pid = std::fs::read_to_string(recorder.sandbox.path("record.pid")).unwrap();
    assert!(!is_gone(&pid));
    recorder.running.send(KILL);
    let Recorder { sandbox, running } = recorder;
    assert_eq!(running.end().status, 137);
    await_gone(&pid);
    assert_eq!(keys(&sandbox, "main"), "Waiting Lock Born Ready");
}
