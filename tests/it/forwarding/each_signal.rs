//! Which signals reach the command, with which number and how often, and what happens to the
//! others.

use crate::support::listener::{ListeningLife, all_passed_on, can_listen, command_of, listening};
use crate::support::namespaces::{PID_NAMESPACE, pid_namespace_is_permitted};
use crate::support::proc::{children, is_exitdir, is_gone, only_child, state_of};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until, words};
use crate::support::signals::{CHLD, CONT, KILL, LAST, STOP, TSTP, TTIN, TTOU};
use std::process::{Command, Stdio};

// ---------------------------------------------------------------- each signal

fn start_as_pid_1() -> ListeningLife {
    let sandbox = Sandbox::new();
    let line = listening(&sandbox, "", "");
    let running = command_of(&sandbox, &PID_NAMESPACE, &line).start();
    let pid = only_child("unshare has forked", running.pid());
    ListeningLife::of(sandbox, running, pid)
}

/// Sends each signal and checks its effect.
fn try_each(life: &ListeningLife) {
    let passed_on = all_passed_on();
    for signal in &passed_on {
        life.send_and_await(*signal, *signal);
    }
    assert_eq!(life.received(), passed_on, "each one once, in this order");
    life.send(&[CHLD]);
    assert_eq!(life.all_received(), passed_on, "CHLD is not forwarded");

    let command = only_child("the command", life.pid);
    life.send(&[STOP]);
    wait_until("STOP stops exitdir-run", || state_of(life.pid) == Some('T'));
    assert_ne!(state_of(command), Some('T'), "the command runs on");
    life.send_and_await(CONT, CONT);

    life.send(&[KILL]);
    wait_until(
        "KILL ends exitdir-run, and the kernel kills its command",
        || is_gone(life.pid) && is_gone(command),
    );
}

#[test]
fn each_signal_that_can_be_caught_except_chld_is_forwarded_with_its_number() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("");
    try_each(&life);
    assert_eq!(life.running.end().status, 128 + KILL);
}

#[test]
fn as_pid_1_each_signal_from_outside_except_chld_is_forwarded_with_its_number() {
    if can_listen() && pid_namespace_is_permitted() {
        try_each(&start_as_pid_1());
    }
}

#[test]
fn as_pid_1_each_signal_from_its_own_container_is_forwarded_except_kill_and_stop() {
    if !can_listen() || !pid_namespace_is_permitted() {
        return;
    }
    let life = start_as_pid_1();
    // A stop signal removes a pending CONT, so CONT is sent alone.
    let together: Vec<i32> = (1..=LAST).filter(|signal| *signal != CONT).collect();
    for batch in [&together[..], &[CONT]] {
        let text: Vec<String> = batch.iter().map(i32::to_string).collect();
        let unfinished = life.sandbox.path("telling");
        std::fs::write(&unfinished, text.join(" ")).unwrap();
        std::fs::rename(&unfinished, life.sandbox.path("tell")).unwrap();
        let last = batch.last().unwrap();
        wait_until(format!("{last} comes back"), || {
            life.received().contains(last)
        });
    }
    let mut received = life.received();
    received.sort_unstable();
    assert_eq!(received, all_passed_on());
    life.assert_ends_by_itself();
}

// ---------------------------------------------------------------- many signals

/// The first signal number that the kernel queues.
const FIRST_QUEUED: i32 = 32;

/// Sends COUNT signals, mixed, and prints for each number how often it was sent and how long the
/// log was just before the last time. It never queues so many that the kernel would drop some:
/// after each lot it waits until all queued ones have come.
const BURST: &str = r#"
use strict;
my ($pid, $log, $count, @numbers) = @ARGV;
open my $status, '<', '/proc/self/status' or die;
my ($limit) = map { m{^SigQ:\s+\d+/(\d+)} } <$status>;
my $lot = $limit / 4 < 1000 ? int($limit / 4) : 1000;
my (%sent, %mark);
my $queued = 0;

sub send_one {
    my ($number) = @_;
    $mark{$number} = -s $log;
    kill $number, $pid or die "cannot send $number: $!";
    $sent{$number}++;
    $queued++ if $number >= 32;
}

sub have_come {
    open my $file, '<', $log or die;
    return scalar grep { /^\d+$/ && $_ >= 32 } <$file>;
}

my $state = 1;
for my $nth (1 .. $count) {
    $state = ($state * 1103515245 + 12345) % 2147483648;
    my $last = $nth % $lot == 0 || $nth == $count;
    send_one($last ? 64 : $numbers[int($state / 65536) % @numbers]);
    next unless $last;
    my $patience = 60_000;
    while (have_come() != $queued) {
        die "of $queued only " . have_come() . " have come" unless $patience--;
        select undef, undef, undef, 0.002;
    }
}
print "$_ $sent{$_} $mark{$_}\n" for keys %sent;
"#;

/// A pending stop signal and a pending CONT remove each other, so of these only CONT is sent here.
fn burst_numbers() -> Vec<i32> {
    all_passed_on()
        .into_iter()
        .filter(|signal| ![TSTP, TTIN, TTOU].contains(signal))
        .collect()
}

#[test]
fn of_10_000_signals_each_queued_one_comes_and_of_the_others_at_least_the_last() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("");
    let numbers = burst_numbers();
    let sender = life
        .sandbox
        .command("perl")
        .args(["-e", BURST])
        .arg(life.pid.to_string())
        .arg(life.sandbox.path("cmd"))
        .arg("10000")
        .args(numbers.iter().map(i32::to_string))
        .finish();
    assert_eq!(sender.status, 0, "{}", sender.stderr);
    let log = life.log("cmd");
    let times = |text: &str, number: &str| text.lines().filter(|line| *line == number).count();
    let mut total = 0;
    for line in sender.stdout.lines() {
        let [number, sent, mark] = words(line)[..] else {
            panic!("{line}")
        };
        let sent: usize = sent.parse().unwrap();
        let mark: usize = mark.parse().unwrap();
        total += sent;
        let came = times(&log, number);
        if number.parse::<i32>().unwrap() >= FIRST_QUEUED {
            assert_eq!(came, sent, "{number}");
        } else {
            assert!(came <= sent, "{number} came {came} times of {sent}");
            assert!(
                times(&log[mark..], number) > 0,
                "the last {number} was lost"
            );
        }
    }
    assert_eq!(total, 10_000);
    assert_eq!(sender.stdout.lines().count(), numbers.len(), "all numbers");
    life.assert_ends_by_itself();
}

#[test]
fn a_signal_sent_three_times_before_it_is_taken_comes_once_or_three_times_if_the_kernel_queues_it()
{
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("");
    life.send(&[STOP]);
    wait_until("exitdir-run is stopped", || state_of(life.pid) == Some('T'));
    let numbers: Vec<i32> = burst_numbers().into_iter().filter(|s| *s != CONT).collect();
    let thrice: Vec<i32> = numbers.iter().flat_map(|signal| [*signal; 3]).collect();
    life.send(&thrice);
    assert_eq!(life.received(), []);
    life.send(&[CONT]);
    life.await_times(LAST, 3);
    let mut received = life.all_received();
    received.sort_unstable();
    let times = |signal: &i32| if *signal >= FIRST_QUEUED { 3 } else { 1 };
    let mut expected: Vec<i32> = numbers
        .iter()
        .flat_map(|signal| vec![*signal; times(signal)])
        .chain([CONT])
        .collect();
    expected.sort_unstable();
    assert_eq!(received, expected);
    life.assert_ends_by_itself();
}

// ---------------------------------------------------------------- where a call is refused

/// strace that refuses `rt_sigtimedwait`, as a container's seccomp profile may, and writes down
/// each call. The command is not traced.
fn refusing(log: &str) -> [&str; 8] {
    let refuse = "inject=rt_sigtimedwait:error=ENOSYS";
    let trace = "trace=rt_sigtimedwait";
    ["strace", "-q", "-o", log, "-e", trace, "-e", refuse]
}

fn refusing_is_permitted() -> bool {
    let [program, options @ ..] = refusing("/dev/null");
    is_permitted(
        "refusing calls with strace",
        Command::new(program).args(options).arg("true"),
    )
}

/// How often the call was refused.
#[track_caller]
fn refused(sandbox: &Sandbox) -> usize {
    let log = std::fs::read_to_string(sandbox.path("strace.log")).unwrap();
    let count = log.lines().filter(|line| line.contains("ENOSYS")).count();
    assert!(count > 0, "the call was never made: {log}");
    count
}

#[test]
fn where_sigtimedwait_is_refused_each_signal_is_forwarded_and_exitdir_run_does_not_spin() {
    if !can_listen() || !refusing_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let log = sandbox.path("strace.log").display().to_string();
    let line = listening(&sandbox, "", "");
    let running = command_of(&sandbox, &refusing(&log), &line).start();
    let pid = eventually("strace has started exitdir-run", || {
        let mut traced = children(running.pid()).into_iter();
        traced.find(|pid| is_exitdir(*pid))
    });
    let life = ListeningLife::of(sandbox, running, pid);
    for signal in all_passed_on() {
        life.send_and_await(signal, signal);
    }
    assert_eq!(life.received(), all_passed_on());
    // One call after each signal, and one or two at the beginning and for the end. The number
    // depends on events and not on time.
    let refused = refused(&life.sandbox);
    let most = 2 * all_passed_on().len();
    assert!(refused < most, "called {refused} times");
    life.assert_ends_by_itself();
}

#[test]
fn where_sigtimedwait_is_refused_a_timeout_stops_the_command_and_exitdir_run_does_not_spin() {
    if !refusing_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let log = sandbox.path("strace.log").display().to_string();
    // Ends with the test in any case.
    let script = "while test -d \"$0\"; do sleep 0.1; done";
    let graveyard = sandbox.path("").display().to_string();
    let run = binary().display().to_string();
    let words = [&run, "run", "--timeout=500ms", "--", "sh", "-c", script];
    let line: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let ended = command_of(&sandbox, &refusing(&log), &line)
        .arg(graveyard)
        // What strace leaves behind if it must be killed is not waited for.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .finish();
    assert_eq!(ended.status, 124, "{ended:?}");
    let refused = refused(&sandbox);
    // One call for each event: the start, the timeout, the end.
    assert!(refused < 50, "called {refused} times");
}
