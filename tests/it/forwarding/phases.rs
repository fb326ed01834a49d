//! Signals in each phase of a life: before the command is executed, during a stop, and while the
//! command is down.

use crate::support::listener::{
    ListeningLife, all_passed_on, blocked, can_listen, command_of, listening,
};
use crate::support::proc::{children, is_exitdir, is_gone, only_child, pending_signals, state_of};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until, words};
use crate::support::signals::{
    CONT, FPE, HUP, INT, KILL, LAST, QUIT, STOP, TERM, TSTP, USR1, send_all,
};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

#[test]
fn the_command_gets_the_whole_mask_that_exitdir_run_was_started_with() {
    if !can_listen() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut line = vec!["env".to_owned(), "--default-signal=INT".to_owned()];
    line.push(binary().display().to_string());
    let show = ["run", "--", "grep", "SigBlk", "/proc/self/status"];
    line.extend(show.map(str::to_owned));
    let ended = command_of(&sandbox, &[], &blocked(line)).finish();
    // All but KILL and STOP.
    assert_eq!(ended.stdout, "SigBlk:\tfffffffffffbfeff\n", "{ended:?}");
}

/// Sends all signals while the new process exists and has not executed the command yet. `None` if
/// it has executed it by then.
fn signal_before_exec(delay: &str) -> Option<Vec<i32>> {
    let sandbox = Sandbox::new();
    // Only the new process calls setpgid, and it is its first call.
    let delay = format!("inject=setpgid:delay_enter={delay}");
    let before = words("strace -f -q -o /dev/null -e trace=setpgid -e").into_iter();
    let before: Vec<&str> = before.chain([delay.as_str()]).collect();
    let line = blocked(listening(&sandbox, "", ""));
    let running = command_of(&sandbox, &before, &line).start();
    // strace has other children too, with which it tests what it can do.
    let pid = eventually("strace has started exitdir-run", || {
        let mut traced = children(running.pid()).into_iter();
        traced.find(|pid| is_exitdir(*pid))
    });
    // exitdir-run has another child for a moment before it writes its tombstone.
    sandbox.await_key("main", "Waiting");
    let child = only_child("exitdir-run has a child", pid);
    // A stop signal removes a pending CONT. The last signal sent is `LAST`.
    send_all(pid, &all_passed_on());
    let in_time = is_exitdir(child);
    let life = ListeningLife::of(sandbox, running, pid);
    life.await_times(LAST, 1);
    let mut received = life.all_received();
    received.sort_unstable();
    life.assert_ends_by_itself();
    in_time.then_some(received)
}

#[test]
fn a_signal_that_comes_before_the_new_process_has_executed_the_command_reaches_the_command() {
    let mut trial = Command::new("strace");
    trial.args([
        "-o",
        "/dev/null",
        "-e",
        "inject=getpid:delay_enter=1",
        "true",
    ]);
    if !can_listen() || !is_permitted("delays with strace", &mut trial) {
        return;
    }
    let mut received = ["200000", "2000000", "10000000"]
        .into_iter()
        .find_map(signal_before_exec)
        .expect("a machine that sends signals within 10 s");
    // perl ignores FPE when it starts, and so forgets one that is pending already.
    received.retain(|signal| *signal != FPE);
    let expected: Vec<i32> = all_passed_on()
        .into_iter()
        .filter(|s| ![CONT, FPE].contains(s))
        .collect();
    assert_eq!(received, expected);
}

#[test]
fn during_a_stop_each_signal_is_forwarded_and_a_second_term_too() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("--death-deps dep --grace-period 1h");
    life.trigger_stop();
    life.await_times(TERM, 1);
    for signal in all_passed_on() {
        life.send_and_await(signal, signal);
    }
    let expected: Vec<i32> = [TERM].into_iter().chain(all_passed_on()).collect();
    assert_eq!(life.received(), expected);
    life.assert_ends_by_itself();
}

/// A life whose command is down and will be started again in a second.
fn start_backing_off() -> ListeningLife {
    let sandbox = Sandbox::new();
    let line = blocked(listening(&sandbox, "--restart always", "brief"));
    let mut command = command_of(&sandbox, &[], &line);
    // TSTP stops only a process whose parent is in another process group of the session.
    let running = command.process_group(0).start();
    let life = ListeningLife {
        pid: running.pid(),
        running,
        sandbox,
    };
    wait_until("the command is down", || {
        let key = |key| life.sandbox.key("main", key);
        key("Born").is_some() && key("Ready").is_none() || life.start_count() > 0
    });
    life
}

/// Plays a scene again if the second was over before its end, on a busy machine.
fn in_time<T>(scene: impl Fn() -> Option<T>) -> T {
    let mut tries = 0..10;
    tries
        .find_map(|_| scene())
        .expect("a signal that does what it should, on a machine that sends one within a second")
}

#[test]
fn during_a_back_off_term_int_hup_and_quit_end_the_life() {
    if !can_listen() {
        return;
    }
    for signal in [TERM, INT, HUP, QUIT] {
        let (ended, sandbox) = in_time(|| {
            let life = start_backing_off();
            life.send(&[signal]);
            let is_down = || {
                let text = life.log("cmd");
                is_gone(life.pid).then_some(text == "brief\n")
            };
            let down = eventually("it ends, or the command is back", || {
                is_down().or_else(|| (life.start_count() > 0).then_some(false))
            });
            down.then(|| life.end())
        });
        assert_eq!(ended.status, 128 + signal, "{ended:?}");
        let key = |key| sandbox.key("main", key);
        assert_eq!(key("Reason").as_deref(), Some("interrupted"), "{signal}");
        assert_eq!(key("ExitCode"), Some((128 + signal).to_string()));
    }
}

#[test]
fn during_a_back_off_other_signals_are_dropped_and_the_next_command_never_gets_them() {
    if !can_listen() {
        return;
    }
    let dropped: Vec<i32> = (1..=LAST)
        .filter(|s| ![TERM, INT, HUP, QUIT, TSTP, KILL, STOP].contains(s))
        .collect();
    let life = in_time(|| {
        let life = start_backing_off();
        life.send(&dropped);
        wait_until("everything was taken", || pending_signals(life.pid) == 0);
        children(life.pid).is_empty().then_some(life)
    });
    life.await_up();
    assert_eq!(life.all_received(), []);
    drop(life);
}

/// A life that a TSTP has stopped while its command was down.
fn stopped_while_down(start: impl Fn() -> ListeningLife) -> ListeningLife {
    in_time(|| {
        let life = start();
        life.send(&[TSTP]);
        let stopped = eventually("it stops, or the command is back", || {
            let stopped = (state_of(life.pid) == Some('T')).then_some(true);
            stopped.or_else(|| (life.start_count() > 0).then_some(false))
        });
        stopped.then_some(life)
    })
}

fn start_waiting() -> ListeningLife {
    let sandbox = Sandbox::new();
    let line = listening(&sandbox, "--birth-deps never", "");
    let running = command_of(&sandbox, &[], &line).process_group(0).start();
    let pid = running.pid();
    sandbox.await_key("main", "Waiting");
    ListeningLife {
        running,
        pid,
        sandbox,
    }
}

#[test]
fn tstp_while_the_command_is_down_stops_exitdir_run_and_a_term_ends_it_after_cont() {
    if !can_listen() {
        return;
    }
    let starts: [fn() -> ListeningLife; 2] = [start_waiting, start_backing_off];
    for start in starts {
        let life = stopped_while_down(start);
        life.send(&[TERM]);
        assert_eq!(state_of(life.pid), Some('T'));
        life.send(&[CONT]);
        let ListeningLife {
            running, sandbox, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 128 + TERM, "{ended:?}");
        let reason = sandbox.key("main", "Reason");
        assert_eq!(reason.as_deref(), Some("interrupted"));
    }
}

#[test]
fn a_signal_during_a_back_off_is_dropped_even_if_exitdir_run_is_stopped_until_the_back_off_is_over()
{
    if !can_listen() {
        return;
    }
    let life = stopped_while_down(start_backing_off);
    life.send(&[USR1]);
    // The back-off is over after this time. It may take longer.
    std::thread::sleep(Duration::from_millis(1100));
    life.send(&[CONT]);
    life.await_up();
    assert_eq!(life.all_received(), []);
}
