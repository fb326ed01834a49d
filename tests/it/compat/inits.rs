//! `exitdir-run` beside tini, dumb-init, catatonit and s6: each test runs with each of them. Common
//! behaviour is compared; differences are asserted for both sides, as docs/other-inits.md lists
//! them.

use crate::support::namespaces::{PID_NAMESPACE, pid_namespace_is_permitted};
use crate::support::proc::{ProcStat, await_gone, is_gone, only_child, sleep_count, state_of};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{CONT, LAST, TERM, TSTP, TTIN, TTOU, USR1, send_all};
use std::path::Path;
use std::process::{Command, Stdio};

const OURS: &str = "exitdir-run";
const TINI: &str = "tini";
const DUMB_INIT: &str = "dumb-init";
const CATATONIT: &str = "catatonit";
const ALL: [&str; 4] = [OURS, TINI, DUMB_INIT, CATATONIT];

fn is_here(program: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", "command -v \"$0\"", program]);
    program == OURS || is_permitted(program, &mut look)
}

/// Those that are installed on this machine.
fn here<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let mut names = names.to_vec();
    names.retain(|name| is_here(name));
    names
}

/// One of the programs, with these arguments.
fn init(sandbox: &Sandbox, name: &str, words: &[&str]) -> Command {
    let mut command = if name == OURS {
        sandbox.applet("run")
    } else {
        sandbox.command(name)
    };
    command.args(words).env_remove("EXIT_DIR");
    command.current_dir(sandbox.path("."));
    command
}

/// One of the programs, started by another one that prepares its environment.
fn behind(sandbox: &Sandbox, before: &[&str], name: &str, words: &[&str]) -> Command {
    let plain = init(sandbox, name, words);
    let mut command = sandbox.command(before[0]);
    command.args(&before[1..]).arg(plain.get_program());
    command.args(plain.get_args()).env_remove("EXIT_DIR");
    command.current_dir(sandbox.path("."));
    command
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A sandbox in which a [`listener`] runs until its file is removed.
fn listening_sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.touch("go");
    sandbox
}

/// A script that notes each of the signals by number in a file `received`, says `ready` in it, and
/// ends with 9.
fn listener(signals: &[i32]) -> String {
    let traps: String = signals
        .iter()
        .map(|signal| format!("trap 'echo {signal} >>received' {signal}; "))
        .collect();
    format!("{traps} echo ready >>received; while [ -e go ]; do sleep 0.02; done; exit 9")
}

fn await_received(sandbox: &Sandbox, word: &str) {
    eventually(format!("{word} is received"), || {
        has_received(sandbox, word)
    });
}

fn has_received(sandbox: &Sandbox, word: &str) -> Option<()> {
    let received = read(&sandbox.path("received"));
    received.lines().any(|line| line == word).then_some(())
}

fn received(sandbox: &Sandbox) -> Vec<i32> {
    let received = read(&sandbox.path("received"));
    let mut numbers: Vec<i32> = received
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn let_go(sandbox: &Sandbox) {
    std::fs::remove_file(sandbox.path("go")).unwrap();
}

/// What arrives at the command when these signals are sent, one after the other.
fn forwarded(name: &str, options: &[&str], sent: &[i32], listened: &[i32]) -> (Vec<i32>, i32) {
    let sandbox = listening_sandbox();
    let script = listener(&[listened, &[LAST]].concat());
    let words = [options, &["--", "sh", "-c", &script]].concat();
    let running = init(&sandbox, name, &words).start();
    await_received(&sandbox, "ready");
    for signal in sent {
        send_all(running.pid(), &[*signal]);
    }
    send_all(running.pid(), &[LAST]);
    await_received(&sandbox, &LAST.to_string());
    let_go(&sandbox);
    let status = running.end().status;
    let mut received = received(&sandbox);
    received.retain(|signal| *signal != LAST);
    (received, status)
}

fn child_of(pid: i32) -> i32 {
    only_child("it has a child", pid)
}

fn await_state(pid: i32, state: char) {
    wait_until(format!("its state is {state}"), || {
        state_of(pid) == Some(state)
    });
}

// ---------------------------------------------------------------- what is the same

#[test]
fn exit_statuses_are_the_same_as_with_other_inits() {
    let scripts = [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 77", 77),
        ("exit 255", 255),
        ("kill -s TERM $$", 143),
        ("kill -s KILL $$", 137),
        ("kill -s INT $$", 130),
        ("ulimit -c 0; kill -s SEGV $$", 139),
        ("ulimit -c 0; kill -s 37 $$", 165),
    ];
    let sandbox = Sandbox::new();
    for name in here(&ALL) {
        for (script, status) in scripts {
            let ended = init(&sandbox, name, &["--", "sh", "-c", script]).finish();
            assert_eq!(ended.status, status, "{name}: {script}: {ended:?}");
        }
    }
}

#[test]
fn signals_are_forwarded_as_other_inits_do() {
    // HUP INT QUIT USR1 USR2 TERM CONT WINCH, and real-time ones.
    let signals = [1, 2, 3, 10, 12, 15, 18, 28, 34, 40, 63];
    for name in here(&ALL) {
        let (received, status) = forwarded(name, &[], &signals, &signals);
        assert_eq!((received, status), (signals.to_vec(), 9), "{name}");
    }
}

#[test]
fn pid_1_reaps_an_orphan_as_other_inits_do() {
    let sandbox = Sandbox::new();
    if !pid_namespace_is_permitted() {
        return;
    }
    // Each records its process id, so that the test waits until all of them run.
    let script = "for i in 1 2 3; do (sh -c 'echo $$ >>\"$1\"; exit 3' sh \"$1\" &); done\n\
                  left() { for pid in $(cat \"$1\"); do test ! -e /proc/$pid || echo $pid; done; }\n\
                  tries=0\n\
                  until test $tries -eq 1000; do\n\
                      test $(wc -l <\"$1\") -eq 3 && test -z \"$(left \"$1\")\" && break\n\
                      sleep 0.01; tries=$((tries + 1))\n\
                  done\n\
                  echo \"$(wc -l <\"$1\") $(left \"$1\" | wc -l) $PPID\"; exit 4";
    for name in here(&ALL) {
        let orphans = sandbox.path(name);
        std::fs::write(&orphans, "").unwrap();
        let mut command = behind(
            &sandbox,
            &PID_NAMESPACE,
            name,
            &["--", "sh", "-c", script, "sh"],
        );
        let ended = command.arg(&orphans).finish();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (4, "3 0 1\n"),
            "{name}: {ended:?}"
        );
    }
}

#[test]
fn the_short_options_of_tini_have_the_same_meaning() {
    let cells: [(&[&str], &str, i32); 14] = [
        (&["-e", "143"], "kill $$", 0),
        (&["-e143"], "kill $$", 0),
        (&["-e", "3"], "exit 4", 4),
        (&["-e", "3", "-e", "4"], "exit 4", 0),
        (&["-e", "0"], "exit 5", 5),
        (&["-sge", "3"], "exit 3", 0),
        (&["-sge3"], "exit 3", 0),
        (&["-g", "-s"], "exit 6", 6),
        (&["-w"], "exit 6", 6),
        (&["-v"], "exit 6", 6),
        (&["-vvv"], "exit 6", 6),
        (&["-vvvwsg", "-e", "6"], "exit 6", 0),
        (&["-p", "SIGKILL"], "exit 7", 7),
        (&["-sp", "SIGTERM"], "exit 7", 7),
    ];
    let sandbox = Sandbox::new();
    for name in here(&[OURS, TINI]) {
        for (options, script, status) in cells {
            let words = [options, &["--", "sh", "-c", script]].concat();
            let ended = init(&sandbox, name, &words).finish();
            assert_eq!(ended.status, status, "{name} {options:?}: {ended:?}");
        }
    }
}

#[test]
fn a_parent_death_signal_is_forwarded_as_tini_does() {
    for name in here(&[OURS, TINI]) {
        let sandbox = listening_sandbox();
        let script = listener(&[USR1]);
        let words = ["-s", "-p", "SIGUSR1", "--", "sh", "-c", &script];
        // The job of a shell has that shell for its parent, and outlives it.
        let job = ["sh", "-c", "\"$@\" & echo $! >job; wait", "sh"];
        let mut parent = behind(&sandbox, &job, name, &words);
        // Its pipes would stay open with the job.
        parent.stdout(Stdio::null());
        let parent = parent.stderr(Stdio::null()).start();
        await_received(&sandbox, "ready");
        let job = eventually("the shell has noted its job", || {
            Some(read(&sandbox.path("job"))).filter(|job| job.ends_with('\n'))
        });
        drop(parent);
        await_received(&sandbox, &USR1.to_string());
        let_go(&sandbox);
        await_gone(&job);
    }
}

#[test]
fn signals_are_rewritten_as_dumb_init_does() {
    let signals = [TERM, 3];
    for name in here(&[OURS, DUMB_INIT]) {
        for (rule, expected) in [("15:3", &[3][..]), ("15:0", &[]), ("3:15", &[TERM])] {
            let (received, status) = forwarded(name, &["--rewrite", rule], &[TERM], &signals);
            assert_eq!((&received[..], status), (expected, 9), "{name} {rule}");
        }
    }
    let (received, _) = forwarded(OURS, &["--rewrite", "TERM:QUIT"], &[TERM], &signals);
    assert_eq!(received, [3]);
}

// ---------------------------------------------------------------- where we differ

#[test]
fn a_signal_goes_to_the_group_by_default_only_with_dumb_init() {
    let cells: [(&str, &[&str], bool); 8] = [
        (OURS, &[], false),
        (OURS, &["-g"], true),
        (TINI, &[], false),
        (TINI, &["-g"], true),
        (CATATONIT, &[], false),
        (CATATONIT, &["-g"], true),
        (DUMB_INIT, &["-c"], false),
        (DUMB_INIT, &[], true),
    ];
    let names = here(&ALL);
    for (name, options, to_group) in cells.into_iter().filter(|cell| names.contains(&cell.0)) {
        let sandbox = listening_sandbox();
        // Both end as the file is gone, and the outer one last.
        let script = "sh -c 'trap \"echo inner >>received\" USR1; echo inside >>received; while [ -e go ]; do sleep 0.02; done' & \
                      trap 'echo outer >>received' USR1; echo ready >>received; \
                      while [ -e go ]; do sleep 0.02; done; while kill -0 $! 2>/dev/null; do wait $!; done";
        let words = [options, &["--", "sh", "-c", script]].concat();
        let running = init(&sandbox, name, &words).start();
        await_received(&sandbox, "ready");
        await_received(&sandbox, "inside");
        send_all(running.pid(), &[USR1]);
        await_received(&sandbox, "outer");
        if to_group {
            await_received(&sandbox, "inner");
        }
        let_go(&sandbox);
        running.end();
        assert_eq!(
            has_received(&sandbox, "inner").is_some(),
            to_group,
            "{name} {options:?}"
        );
    }
}

#[test]
fn orphans_are_adopted_on_request_by_catatonit_always_by_dumb_init_never() {
    let cells: [(&str, &[&str], bool); 6] = [
        (OURS, &[], false),
        (OURS, &["-s"], true),
        (TINI, &[], false),
        (TINI, &["-s"], true),
        (CATATONIT, &[], true),
        (DUMB_INIT, &[], false),
    ];
    let names = here(&ALL);
    for (name, options, adopted) in cells.into_iter().filter(|cell| names.contains(&cell.0)) {
        let sandbox = listening_sandbox();
        // The subshell in the middle has ended when the last line runs.
        let script = "( sh -c 'while [ -e go ]; do sleep 0.02; done' >/dev/null 2>&1 & echo $! >orphan ); \
                      echo $PPID $(cut -d ' ' -f 4 /proc/$(cat orphan)/stat)";
        let words = [options, &["--", "sh", "-c", script]].concat();
        let ended = init(&sandbox, name, &words).finish();
        let (ours, parent) = ended.stdout.trim().split_once(' ').unwrap();
        assert_eq!(ours == parent, adopted, "{name} {options:?}: {ended:?}");
        let_go(&sandbox);
        let orphan = read(&sandbox.path("orphan"));
        await_gone(&orphan);
    }
}

#[test]
fn only_exitdir_and_tini_have_a_status_for_a_command_that_cannot_be_executed() {
    let sandbox = Sandbox::new();
    // Not found, not executable, no directory, no command at all.
    let table = [
        (OURS, [127, 126, 127, 125]),
        (TINI, [127, 126, 1, 1]),
        (DUMB_INIT, [2, 2, 2, 1]),
        (CATATONIT, [1, 1, 1, 1]),
    ];
    let names = here(&ALL);
    for (name, statuses) in table.into_iter().filter(|row| names.contains(&row.0)) {
        let commands = [&["no-such-command"][..], &["/"], &["/dev/null/x"], &[]];
        for (command, status) in commands.into_iter().zip(statuses) {
            let words = [&["--"], command].concat();
            let ended = init(&sandbox, name, &words).finish();
            assert_eq!(ended.status, status, "{name} {command:?}: {ended:?}");
        }
    }
}

#[test]
fn only_tini_and_catatonit_need_dashes_before_options_of_the_command() {
    let sandbox = Sandbox::new();
    let table = [(OURS, 8), (TINI, 1), (DUMB_INIT, 8), (CATATONIT, 1)];
    let names = here(&ALL);
    for (name, status) in table.into_iter().filter(|row| names.contains(&row.0)) {
        let ended = init(&sandbox, name, &["sh", "-c", "exit 8"]).finish();
        assert_eq!(ended.status, status, "{name}: {ended:?}");
    }
}

#[test]
fn only_exitdir_forwards_stops_from_the_terminal() {
    let stops = [TSTP, TTIN, TTOU];
    for (name, expected) in [(OURS, &stops[..]), (TINI, &[TSTP]), (CATATONIT, &[])] {
        if is_here(name) {
            let (received, status) = forwarded(name, &[], &stops, &stops);
            assert_eq!((&received[..], status), (expected, 9), "{name}");
        }
    }
}

#[test]
fn dumb_init_turns_a_stop_from_the_terminal_into_sigstop() {
    if !is_here(DUMB_INIT) {
        return;
    }
    let sandbox = listening_sandbox();
    let script = listener(&[TSTP, LAST]);
    let running = init(&sandbox, DUMB_INIT, &["--", "sh", "-c", &script]).start();
    await_received(&sandbox, "ready");
    let child = child_of(running.pid());
    send_all(running.pid(), &[TSTP]);
    await_state(running.pid(), 'T');
    // A shell that is stopped while it starts a process sleeps until that one, which is stopped
    // too, goes on.
    eventually("the command is stopped", || {
        state_of(child).filter(|state| ['T', 'D'].contains(state))
    });
    send_all(running.pid(), &[CONT]);
    let_go(&sandbox);
    assert_eq!(running.end().status, 9);
    assert_eq!(received(&sandbox), []);
}

#[test]
fn a_fault_signal_sent_by_a_process_ends_tini_and_catatonit_without_their_command() {
    for name in here(&ALL) {
        // ILL TRAP ABRT BUS FPE SEGV SYS
        for signal in [4, 5, 6, 7, 8, 11, 31] {
            if [OURS, DUMB_INIT].contains(&name) {
                let received = forwarded(name, &[], &[signal], &[signal]);
                assert_eq!(received, (vec![signal], 9), "{name}");
                continue;
            }
            let sandbox = listening_sandbox();
            let script = listener(&[signal]);
            let before = ["sh", "-c", "ulimit -c 0; exec \"$@\" >/dev/null 2>&1", "sh"];
            let running = behind(&sandbox, &before, name, &["--", "sh", "-c", &script]).start();
            await_received(&sandbox, "ready");
            let child = child_of(running.pid());
            send_all(running.pid(), &[signal]);
            assert_eq!(running.end().status, 128 + signal, "{name}");
            assert!(!is_gone(child), "{name} and {signal}");
            let_go(&sandbox);
            await_gone(child);
            assert_eq!(received(&sandbox), [], "{name}");
        }
    }
}

#[test]
fn only_with_exitdir_the_command_dies_with_a_killed_supervisor() {
    for name in here(&ALL) {
        let sandbox = listening_sandbox();
        let mut command = init(&sandbox, name, &["--", "sh", "-c", &listener(&[])]);
        let running = command.stdout(Stdio::null()).stderr(Stdio::null()).start();
        await_received(&sandbox, "ready");
        let child = child_of(running.pid()).to_string();
        drop(running);
        if name == OURS {
            await_gone(&child);
        } else {
            assert!(!is_gone(&child), "{name}");
            let_go(&sandbox);
            await_gone(&child);
        }
    }
}

#[test]
fn only_exitdir_and_tini_restore_signal_dispositions_for_the_command() {
    const HUP_BIT: u64 = 1;
    const USR2_BIT: u64 = 1 << 11;
    const STOPS: u64 = 0b111 << 19;
    let sandbox = Sandbox::new();
    let before = ["env", "--ignore-signal=HUP", "--block-signal=USR2"];
    let mut trial = sandbox.command(before[0]);
    if !is_permitted("env --block-signal", trial.args(&before[1..]).arg("true")) {
        return;
    }
    let look = ["--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let found = |name: &str| {
        let ended = behind(&sandbox, &before, name, &look).finish();
        let masks: Vec<u64> = ended
            .stdout
            .lines()
            .map(|line| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap())
            .collect();
        // Blocked and ignored, of what this test and the peers set.
        (masks[0] & (USR2_BIT | STOPS), masks[1] & HUP_BIT)
    };
    for name in here(&ALL) {
        let expected = match name {
            DUMB_INIT => (0, 0),
            CATATONIT => (USR2_BIT | STOPS, HUP_BIT),
            _ => (USR2_BIT, HUP_BIT),
        };
        assert_eq!(found(name), expected, "{name}");
    }
}

#[test]
fn tini_and_catatonit_never_end_if_they_were_started_with_chld_ignored() {
    let sandbox = Sandbox::new();
    let before = ["env", "--ignore-signal=CHLD"];
    let mut trial = sandbox.command(before[0]);
    if !is_permitted("env --ignore-signal", trial.args(&before[1..]).arg("true")) {
        return;
    }
    for name in here(&ALL) {
        let sandbox = listening_sandbox();
        let words = ["--", "sh", "-c", &listener(&[])];
        let mut running = behind(&sandbox, &before, name, &words).start();
        await_received(&sandbox, "ready");
        let (pid, child) = (running.pid(), child_of(running.pid()).to_string());
        // catatonit looks whether its command is there, and fails if that has ended already.
        await_state(pid, 'S');
        let_go(&sandbox);
        if [OURS, DUMB_INIT].contains(&name) {
            assert_eq!(running.end().status, 9, "{name}");
            continue;
        }
        await_gone(&child);
        await_state(pid, 'S');
        assert!(running.is_running(), "{name}");
    }
}

#[test]
fn only_tini_wakes_every_second() {
    let sandbox = Sandbox::new();
    let sleeps = |running: &Running| sleep_count(running.pid());
    let mut all = Vec::new();
    for name in here(&ALL) {
        let running = init(&sandbox, name, &["--", "sleep", "60"]).start();
        let child = child_of(running.pid());
        eventually("its command runs", || {
            ProcStat::of(child).filter(|process| process.name == "sleep")
        });
        for pid in [running.pid(), child] {
            await_state(pid, 'S');
        }
        all.push((name, running, child));
    }
    let before: Vec<u64> = all.iter().map(|(_, running, _)| sleeps(running)).collect();
    let count = |wanted: &str| {
        let mut both = all.iter().zip(&before);
        both.find(|((name, ..), _)| *name == wanted)
            .map(|((_, running, _), before)| sleeps(running) - before)
    };
    if count(TINI).is_some() {
        eventually("tini has woken twice", || count(TINI).filter(|n| *n >= 2));
    }
    for name in [OURS, DUMB_INIT, CATATONIT] {
        assert!(count(name).is_none_or(|woken| woken == 0), "{name}");
    }
    for (_, running, child) in all {
        send_all(child, &[TERM]);
        assert_eq!(running.end().status, 143);
    }
}

#[test]
fn only_tini_fails_without_a_standard_input() {
    let sandbox = Sandbox::new();
    for name in here(&ALL) {
        let before = ["sh", "-c", "exec \"$@\" <&-", "sh"];
        let ended = behind(&sandbox, &before, name, &["--", "true"]).finish();
        let expected = if name == TINI { 1 } else { 0 };
        assert_eq!(ended.status, expected, "{name}: {ended:?}");
    }
}

#[test]
fn only_dumb_init_terminates_the_group_of_a_command_that_has_ended() {
    for name in here(&ALL) {
        let sandbox = listening_sandbox();
        let inner = listener(&[TERM]).replace("exit 9", "echo over >>received");
        std::fs::write(sandbox.path("inner"), inner).unwrap();
        let script = "sh inner >/dev/null 2>&1 & while ! grep -qs ready received; do sleep 0.01; done; exit 3";
        let ended = init(&sandbox, name, &["--", "sh", "-c", script]).finish();
        assert_eq!(ended.status, 3, "{name}: {ended:?}");
        let_go(&sandbox);
        await_received(&sandbox, "over");
        let expected: &[i32] = if name == DUMB_INIT { &[TERM] } else { &[] };
        assert_eq!(received(&sandbox), expected, "{name}");
    }
}

#[test]
fn the_command_leads_a_group_of_its_own_and_with_dumb_init_a_session() {
    for name in here(&ALL) {
        let sandbox = listening_sandbox();
        let running = init(&sandbox, name, &["--", "sh", "-c", &listener(&[])]).start();
        await_received(&sandbox, "ready");
        let child = child_of(running.pid());
        let process = ProcStat::of(child).unwrap();
        assert_eq!(process.group, child, "{name}");
        let own = process.session == child;
        assert_eq!(own, name == DUMB_INIT, "{name}");
        assert_eq!(process.parent, running.pid());
        let_go(&sandbox);
        running.end();
    }
}

#[test]
fn only_tini_warns_when_it_is_not_pid_1() {
    let sandbox = Sandbox::new();
    for name in here(&ALL) {
        let ended = init(&sandbox, name, &["--", "true"]).finish();
        let warned = ended.stderr.contains("not running as PID 1");
        assert_eq!(warned, name == TINI, "{name}: {ended:?}");
        assert!(warned || ended.stderr.is_empty(), "{name}: {ended:?}");
    }
}

/// A service of s6 that listens, its supervisor, and the service's process id.
fn service(sandbox: &Sandbox, signals: &[i32]) -> (Running, i32) {
    let dir = sandbox.path("service");
    std::fs::create_dir(&dir).unwrap();
    let script = listener(signals);
    let run = format!("#!/bin/sh\ncd ..; {script}\n");
    sandbox.program("service/run", &run);
    let mut supervise = sandbox.command("s6-supervise");
    supervise.arg(&dir).stdout(Stdio::null());
    let running = supervise.stderr(Stdio::null()).start();
    await_received(sandbox, "ready");
    let child = child_of(running.pid());
    (running, child)
}

#[test]
fn s6_supervise_forwards_only_term_and_always_exits_with_0() {
    if !is_here("s6-supervise") {
        return;
    }
    let sandbox = listening_sandbox();
    let (running, child) = service(&sandbox, &[TERM, LAST]);
    let session = ProcStat::of(child).unwrap().session;
    assert_eq!(session, child, "a session of its own");
    running.send(TERM);
    await_received(&sandbox, &TERM.to_string());
    let_go(&sandbox);
    let Ended { status, .. } = running.end();
    assert_eq!(status, 0, "and the service ended with 9");
    assert_eq!(received(&sandbox), [TERM]);
}

#[test]
fn s6_supervise_dies_of_a_usr1_and_leaves_its_service() {
    if !is_here("s6-supervise") {
        return;
    }
    let sandbox = listening_sandbox();
    let (running, child) = service(&sandbox, &[USR1]);
    running.send(USR1);
    assert_eq!(running.end().status, 128 + USR1);
    assert!(!is_gone(child));
    let_go(&sandbox);
    await_gone(child);
    assert_eq!(received(&sandbox), []);
}

#[test]
fn only_exitdir_refuses_a_script_without_an_interpreter() {
    let sandbox = Sandbox::new();
    sandbox.program("script", "exit 6\n");
    for name in here(&ALL) {
        // The C library of a binary that is not the static one hands it to the shell by itself.
        if name == OURS && !is_static(&binary()) {
            continue;
        }
        let ended = init(&sandbox, name, &["--", "./script"]).finish();
        let expected = if name == OURS { 126 } else { 6 };
        assert_eq!(ended.status, expected, "{name}: {ended:?}");
    }
}

fn is_static(program: &Path) -> bool {
    let bytes = std::fs::read(program).unwrap();
    !bytes.windows(8).any(|window| window == b"ld-linux")
}
