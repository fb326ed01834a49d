//! The `kubexit` applet, and beside it in one graveyard the original, imitated by its
//! documentation: it creates its tombstone empty, then truncates and writes it, with its keys
//! sorted, and never renames.

use crate::support::inspect::{assert_sentence, await_sleep, while_stopped};
use crate::support::sandbox::{Running, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{KILL, TERM};
use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// `kubexit` with `KUBEXIT_` variables, and no other configuration.
fn kubexit(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Command {
    let mut command = sandbox.command(binary());
    command
        .arg0("kubexit")
        .env_remove("EXIT_DIR")
        .env("KUBEXIT_GRAVEYARD", sandbox.dir());
    for (name, value) in variables {
        command.env(format!("KUBEXIT_{name}"), value);
    }
    command
}

#[test]
fn without_a_name_it_ends_with_2_and_says_so() {
    let sandbox = Sandbox::new();
    let ended = kubexit(&sandbox, &[]).arg("true").finish();
    assert_sentence(&ended, "kubexit", 2);
    assert!(ended.stderr.contains("KUBEXIT_NAME"), "{}", ended.stderr);
    assert!(sandbox.entries().is_empty());
}

#[test]
fn one_list_serves_all_containers_of_a_pod() {
    let sandbox = Sandbox::new();
    let list = ("DEATH_DEPS", "main, proxy,,");
    let proxy = kubexit(&sandbox, &[("NAME", "proxy"), list]);
    let proxy = { proxy }.args(["sleep", "1000"]).start();
    sandbox.await_key("proxy", "Born");
    let birth = ("BIRTH_DEPS", ",proxy ,");
    let main = kubexit(&sandbox, &[("NAME", "main"), list, birth])
        .args(["sh", "-c", "exit 3"])
        .finish();
    assert_eq!((main.status, main.stderr.as_str()), (3, ""));
    assert_eq!(proxy.end().status, 143);
}

#[test]
fn every_file_name_that_is_not_hidden_is_a_name() {
    for name in [
        "a@b+c",
        "caf\u{e9}",
        "a:ready",
        "a b",
        "-x",
        "a\nb",
        "\u{1f980}",
    ] {
        let shown = name.replace('\n', "\\n");
        let sandbox = Sandbox::new();
        let proxy = [
            ("NAME", "proxy"),
            ("DEATH_DEPS", name),
            ("BIRTH_DEPS", name),
        ];
        let proxy = { kubexit(&sandbox, &proxy) }
            .args(["sleep", "1000"])
            .start();
        sandbox.await_key("proxy", "WaitingFor");
        let mut status = sandbox.applet("status");
        let json = status.arg("--json").finish().stdout;
        assert!(
            json.contains(&format!("\"waiting_for\":\"{shown}:ready\"")),
            "{json}"
        );
        // It becomes ready, and its command can speak about it.
        let main = [("NAME", name), ("GRACE_PERIOD", "1h")];
        let script = "\"$0\" signal --ready; until test -e die; do sleep 0.01; done; exit 3";
        let main = kubexit(&sandbox, &main)
            .args(["sh", "-c", script])
            .arg(binary())
            .env("EXITDIR_READY_ON", "signal")
            .current_dir(sandbox.path("."))
            .start();
        sandbox.await_key("proxy", "Ready");
        let table = sandbox.applet("status").finish().stdout;
        let mut lines = table.lines();
        let is_ready = lines.any(|line| line.starts_with(&shown) && line.contains("  ready "));
        assert!(is_ready, "{table}");
        sandbox.touch("die");
        assert_eq!(main.end().status, 3, "{name}");
        assert_eq!(proxy.end().status, 143, "{name}");
        let cause = sandbox.key("proxy", "Cause");
        assert_eq!(cause, Some(format!("\"{shown}\"")));
        let table = sandbox.applet("status").finish().stdout;
        assert!(
            table.contains(&format!("cause {}", name.replace('\n', "\\n"))),
            "{table}"
        );
        let mut sweep = sandbox.applet("install");
        assert_eq!(sweep.arg("--sweep").finish().status, 0);
        assert!(sandbox.entries().is_empty(), "{:?}", sandbox.entries());
    }
}

#[test]
fn a_name_that_is_no_file_name_or_hidden_is_refused() {
    for (variable, name) in [
        ("NAME", "a/b"),
        ("NAME", ".a"),
        ("DEATH_DEPS", ".."),
        ("BIRTH_DEPS", "a,b/c"),
    ] {
        let sandbox = Sandbox::new();
        let mut command = kubexit(&sandbox, &[("NAME", "main"), (variable, name)]);
        let ended = command.arg("true").finish();
        assert_sentence(&ended, "kubexit", 125);
        assert!(
            ended.stderr.contains(&format!("KUBEXIT_{variable} is ")),
            "{}",
            ended.stderr
        );
    }
    // The variables of exitdir-run keep their grammar.
    let sandbox = Sandbox::new();
    let ended = kubexit(&sandbox, &[("NAME", "main")])
        .env("EXITDIR_DEATH_DEPS", "a@b")
        .arg("true")
        .finish();
    assert_sentence(&ended, "kubexit", 125);
}

#[test]
fn every_end_has_the_status_of_exitdir_run_and_leaves_a_tombstone() {
    let sandbox = Sandbox::new();
    for (name, script, status) in [
        ("exits", "exit 3", 3),
        ("term", "kill -TERM $$", 143),
        ("kill", "kill -KILL $$", 137),
    ] {
        let pod = [("NAME", name), ("POD_NAME", "p"), ("NAMESPACE", "n")];
        let ended = kubexit(&sandbox, &pod).args(["sh", "-c", script]).finish();
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (status, ""),
            "{name}"
        );
        let code = sandbox.key(name, "ExitCode");
        assert_eq!(code, Some(status.to_string()), "{name}");
    }
    let missing = kubexit(&sandbox, &[("NAME", "missing")])
        .arg("no-such-command")
        .finish();
    assert_sentence(&missing, "kubexit", 127);
    assert_eq!(sandbox.key("missing", "ExitCode").as_deref(), Some("127"));
    let variables = [
        ("NAME", "late"),
        ("BIRTH_DEPS", "never"),
        ("BIRTH_TIMEOUT", "50ms"),
    ];
    let late = kubexit(&sandbox, &variables).arg("true").finish();
    assert_sentence(&late, "kubexit", 124);
    assert_eq!(
        sandbox.key("late", "Reason").as_deref(),
        Some("birth-timeout")
    );
}

#[test]
fn an_invalid_value_is_refused_with_the_name_of_its_variable() {
    let sandbox = Sandbox::new();
    for variable in ["GRACE_PERIOD", "BIRTH_TIMEOUT"] {
        let variables = [("NAME", "main"), (variable, "soon")];
        let ended = kubexit(&sandbox, &variables).arg("true").finish();
        assert_sentence(&ended, "kubexit", 125);
        let named = ended.stderr.contains(&format!("KUBEXIT_{variable}"));
        assert!(named, "{}", ended.stderr);
    }
}

#[test]
fn variables_of_exitdir_run_work_beside_its_own() {
    let sandbox = Sandbox::new();
    let variables = [("NAME", "main"), ("GRACE_PERIOD", "1h")];
    let running = kubexit(&sandbox, &variables)
        .env("EXITDIR_READY_ON", "signal")
        .env("EXITDIR_STOP_SIGNAL", "USR1")
        .args(["sleep", "60"])
        .start();
    sandbox.await_key("main", "Born");
    assert_eq!(sandbox.key("main", "Ready"), None);
    sandbox.record_ready("main");
    running.send(TERM);
    assert_eq!(running.end().status, 138);
}

#[test]
fn help_and_version_count_only_as_the_first_and_only_argument() {
    let sandbox = Sandbox::new();
    let help = kubexit(&sandbox, &[]).arg("--help").finish();
    assert_eq!((help.status, help.stderr.as_str()), (0, ""));
    assert!(
        help.stdout.starts_with("Usage: kubexit "),
        "{}",
        help.stdout
    );
    let command = kubexit(&sandbox, &[("NAME", "main")])
        .args(["--help", "me"])
        .finish();
    assert_sentence(&command, "kubexit", 127);
}

const BORN: &str = "Born: \"2026-11-20T21:29:27.955560995Z\"\n";
const DIED: &str = "Died: \"2026-11-20T21:29:40.312004518Z\"\nExitCode: 0\n";

/// The original, writing its tombstone anew.
fn original_writes(sandbox: &Sandbox, name: &str, text: &str) {
    std::fs::write(sandbox.dir().join(name), text).expect("written");
}

#[test]
fn a_birth_of_the_original_starts_a_life_and_its_death_stops_it() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).expect("a graveyard");
    original_writes(&sandbox, "theirs", "");
    original_writes(&sandbox, "theirs", BORN);
    let variables = [
        ("NAME", "ours"),
        ("BIRTH_DEPS", "theirs"),
        ("DEATH_DEPS", "theirs"),
    ];
    let mut running = kubexit(&sandbox, &variables).args(["sleep", "60"]).start();
    sandbox.await_key("ours", "Ready");
    // It truncates the file before it writes the death: that alone is no death.
    original_writes(&sandbox, "theirs", "");
    assert!(running.is_running());
    original_writes(&sandbox, "theirs", &format!("{BORN}{DIED}"));
    let ended = running.end();
    // 143, since it is a birth dependency too.
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(sandbox.key("ours", "Cause").as_deref(), Some("theirs"));
}

/// Writes the beginning of a text, and leaves the file open.
fn begin(sandbox: &Sandbox, name: &str, beginning: &str) -> File {
    let mut file = File::create(sandbox.dir().join(name)).expect("created");
    file.write_all(beginning.as_bytes()).expect("written");
    file
}

/// All names, one for each of these lengths, and the last one.
fn cuts(lengths: Range<usize>) -> Vec<String> {
    let mut names: Vec<String> = lengths.map(|length| format!("cut-{length}")).collect();
    names.push("whole".to_owned());
    names
}

/// A life that stops when any of these dies; the first in this order is its cause.
fn depends(sandbox: &Sandbox, names: &[String]) -> Running {
    let deps = names.join(",");
    let variables = [("NAME", "ours"), ("DEATH_DEPS", deps.as_str())];
    let ours = kubexit(sandbox, &variables)
        .env("EXITDIR_POLL", "20ms")
        .args(["sleep", "60"])
        .start();
    sandbox.await_key("ours", "Ready");
    await_sleep(&ours);
    ours
}

#[test]
fn a_birth_of_the_original_counts_only_after_its_last_byte() {
    for dead in [false, true] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).expect("a graveyard");
        let mut files = Vec::new();
        for length in 0..BORN.len() {
            let name = format!("cut-{length}");
            if dead {
                original_writes(&sandbox, &name, &format!("{BORN}{DIED}"));
            }
            files.push(begin(&sandbox, &name, &BORN[..length]));
        }
        let ours = kubexit(&sandbox, &[("NAME", "ours")])
            .env("EXITDIR_BIRTH_DEPS", ":ready")
            .args(["sleep", "60"])
            .start();
        await_sleep(&ours);
        assert_eq!(sandbox.key("ours", "Born"), None);
        let last = files.last_mut().expect("more than none");
        last.write_all(b"\n").expect("written");
        sandbox.await_key("ours", "Born");
    }
}

#[test]
fn a_death_of_the_original_counts_only_after_its_last_byte() {
    let text = format!("{BORN}{DIED}");
    for truncated in [false, true] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).expect("a graveyard");
        let names = cuts(0..text.len());
        if truncated {
            names
                .iter()
                .for_each(|name| original_writes(&sandbox, name, BORN));
        }
        let ours = depends(&sandbox, &names);
        let mut open = Vec::new();
        // A death without its code counts after a second without a change, so one scan has to find
        // all of them.
        while_stopped(&ours, || {
            for (length, name) in names.iter().enumerate() {
                let file = begin(&sandbox, name, &text[..length]);
                // No age, however long the others take: a time in the future proves nothing.
                file.set_modified(SystemTime::now() + Duration::from_secs(3600))
                    .unwrap();
                open.push(file);
            }
            // Only the complete one is closed.
            drop(open.pop());
        });
        let cause = sandbox.await_key("ours", "Cause");
        assert_eq!(cause, "whole", "truncated: {truncated}");
        ours.end();
    }
}

#[test]
fn a_tombstone_that_the_original_slowly_rewrites_is_no_death() {
    let text = format!("{BORN}{DIED}");
    let said = text.len() - "\nExitCode: 0\n".len();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).expect("a graveyard");
    let names = cuts(0..said);
    names
        .iter()
        .for_each(|name| original_writes(&sandbox, name, BORN));
    let ours = depends(&sandbox, &names);
    let open: Vec<File> = (0..said)
        .zip(&names)
        .map(|(length, name)| begin(&sandbox, name, &text[..length]))
        .collect();
    // Longer than the second after which an unfinished empty file is a death.
    let began = Instant::now();
    wait_until("a good second has passed", || {
        began.elapsed() > Duration::from_millis(1200)
    });
    original_writes(&sandbox, "whole", &text);
    assert_eq!(sandbox.await_key("ours", "Cause"), "whole");
    assert_eq!(ours.end().status, 0);
    drop(open);
}

#[test]
fn a_death_of_the_original_before_the_start_counts() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).expect("a graveyard");
    original_writes(&sandbox, "theirs", &format!("{BORN}{DIED}"));
    let variables = [("NAME", "ours"), ("DEATH_DEPS", "theirs")];
    let ended = kubexit(&sandbox, &variables).args(["sleep", "60"]).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("not starting"), "{}", ended.stderr);
}

#[test]
fn a_supervisor_that_is_killed_is_seen_by_its_followers() {
    let sandbox = Sandbox::new();
    let leader = kubexit(&sandbox, &[("NAME", "leader")])
        .args(["sleep", "60"])
        .start();
    sandbox.await_key("leader", "Ready");
    let variables = [("NAME", "follower"), ("DEATH_DEPS", "leader")];
    let follower = kubexit(&sandbox, &variables).args(["sleep", "60"]).start();
    sandbox.await_key("follower", "Ready");
    leader.send(KILL);
    // Reaped, so that nothing of it is left.
    leader.end();
    assert_eq!(follower.end().status, 143);
}

#[test]
fn exitdir_kubexit_selects_the_applet() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(binary());
    command
        .args(["kubexit", "sh", "-c", "exit 4"])
        .env("KUBEXIT_NAME", "main")
        .env("KUBEXIT_GRAVEYARD", sandbox.dir());
    assert_eq!(command.finish().status, 4);
    eventually("its tombstone", || sandbox.key("main", "ExitCode"));
}
