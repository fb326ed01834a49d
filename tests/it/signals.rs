//! Which signals reach the command, under which number and how often, and what becomes of the others.
//!
//! The command is a listener that blocks every signal, takes them one by one and writes down their
//! numbers. It asks the kernel itself, because the C library leaves out 32 and 33. That a signal did
//! not come is known when one that was sent later did: of several that are pending the kernel hands out the
//! lowest first, so 64 comes after everything that was there before it.

use crate::permits::is_permitted;
use crate::seen::{assert_sentence, is_gone};
use crate::world::{Ended, Running, Start, World, binary, eventually};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HUP: i32 = 1;
const INT: i32 = 2;
const QUIT: i32 = 3;
const FPE: i32 = 8;
const KILL: i32 = 9;
const USR1: i32 = 10;
const USR2: i32 = 12;
const TERM: i32 = 15;
const CHLD: i32 = 17;
const CONT: i32 = 18;
const STOP: i32 = 19;
const TSTP: i32 = 20;
const TTIN: i32 = 21;
const TTOU: i32 = 22;
/// The first that the kernel queues.
const FIRST_QUEUED: i32 = 32;
/// The last that is handed out.
const LAST: i32 = 64;
/// What the listener ends with when it is let go.
const LET_GO: i32 = 5;

/// Writes down the numbers of the signals that it gets, until there is a file `end` or no directory any
/// more. MANNER: `brief` ends with 1 the first time; `family` has a child in its process group and one that has
/// left it, which listen too; `stray` goes over to its parent's process group, `deserter` too but leaves a child that
/// listens. Signals whose numbers are in the
/// file `tell` it sends to its parent.
const LISTENER: &str = r#"
use strict;
my ($block, $take, $dir, $manner) = @ARGV;
my $all = "\xff" x 8;
my $patience = pack 'q2', 0, 20_000_000;

sub block { syscall($block, 0, $all, 0, 8) == 0 or exit 9 }

sub obey {
    open my $told, '<', "$dir/tell" or return;
    unlink "$dir/tell";
    kill $_, getppid for split ' ', <$told>;
}

# Perl's fork puts the mask back without 32 and 33.
sub listen_as {
    block;
    open my $log, '>>', "$dir/$_[0]" or exit 9;
    syswrite $log, "up\n";
    while (-d $dir) {
        my $signal = syscall $take, $all, 0, $patience, 8;
        if ($signal > 0) { syswrite $log, "$signal\n" }
        elsif (-e "$dir/end") { last }
        else { obey }
    }
    exit 5;
}

block;
if ($manner eq 'brief' and not -e "$dir/cmd") {
    open my $log, '>>', "$dir/cmd";
    syswrite $log, "brief\n";
    exit 1;
}
if ($manner eq 'family') {
    fork // die or listen_as('member');
    fork // die or do { setpgrp 0, 0; listen_as('leaver') };
}
if ($manner eq 'deserter') {
    fork // die or listen_as('member');
}
setpgrp 0, getpgrp getppid if $manner eq 'stray' or $manner eq 'deserter';
listen_as('cmd');
"#;

/// Executes a program with every signal blocked.
const BLOCK: &str = r#"my $all = "\xff" x 8; my $call = shift; syscall($call, 0, $all, 0, 8) == 0 or die; exec @ARGV"#;

/// The numbers of rt_sigprocmask and rt_sigtimedwait.
const CALLS: [&str; 2] = if cfg!(target_arch = "x86_64") {
    ["14", "128"]
} else {
    ["135", "137"]
};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Whether a listener can be had.
fn can_listen() -> bool {
    is_permitted(
        "a listener in perl",
        Command::new("perl").args(["-e", BLOCK, CALLS[0], "true"]),
    )
}

/// Every signal that can be caught and is not `CHLD`.
fn all_passed_on() -> Vec<i32> {
    (1..=LAST)
        .filter(|signal| ![KILL, STOP, CHLD].contains(signal))
        .collect()
}

/// A life of `main` whose command listens.
struct Life {
    running: Running,
    /// exitdir-run, which need not be what was started.
    pid: i32,
    world: World,
}

/// The words of `exitdir-run` with a listener; whoever has started the tests may have ignored signals for us.
fn listening(world: &World, options: &str, manner: &str) -> Vec<String> {
    let script = world.path("listener.pl");
    std::fs::write(&script, LISTENER).unwrap();
    let mut line = vec![
        "env".to_owned(),
        "--default-signal=HUP,INT,QUIT,TERM".to_owned(),
        binary().display().to_string(),
        "run".to_owned(),
        "--name=main".to_owned(),
    ];
    line.extend(words(options).into_iter().map(str::to_owned));
    line.extend(["--", "perl"].map(str::to_owned));
    line.push(script.display().to_string());
    line.extend(CALLS.map(str::to_owned));
    line.push(world.path("").display().to_string());
    line.push(manner.to_owned());
    line
}

/// The same with every signal blocked, so that a command gets to know what comes before it could listen.
fn blocked(mut line: Vec<String>) -> Vec<String> {
    // `env` unblocks what it resets.
    let block = ["perl", "-e", BLOCK, CALLS[0]].map(str::to_owned);
    line.splice(2..2, block);
    line
}

/// These words, and those that are to start them.
fn command_of(world: &World, before: &[&str], line: &[String]) -> Command {
    let all: Vec<&str> = before
        .iter()
        .copied()
        .chain(line.iter().map(String::as_str))
        .collect();
    let mut command = world.command(all[0]);
    command.args(&all[1..]);
    command
}

/// The children of a process.
fn children(pid: i32) -> Vec<i32> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn only_child(what: &str, pid: i32) -> i32 {
    eventually(what, || children(pid).first().copied())
}

/// Sends signals in this order. rustix cannot name those that a C library keeps for itself.
fn send_to(pid: i32, signals: &[i32]) {
    let sent = Command::new("perl")
        .args(["-e", "my $pid = shift; kill $_, $pid or die $! for @ARGV"])
        .arg(pid.to_string())
        .args(signals.iter().map(i32::to_string))
        .output()
        .unwrap();
    assert!(sent.status.success(), "{sent:?}");
}

/// The state of a process, as in `ps`.
pub fn state_of(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Whether nothing waits to be taken by a process.
fn has_taken_all(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.strip_prefix("ShdPnd:").map(str::trim) == Some("0000000000000000"))
}

impl Life {
    fn start(options: &str) -> Life {
        Life::start_as(options, "")
    }

    fn start_as(options: &str, manner: &str) -> Life {
        let world = World::new();
        let line = listening(&world, options, manner);
        let running = command_of(&world, &[], &line).start();
        let pid = running.pid();
        let life = Life {
            running,
            pid,
            world,
        };
        life.await_up();
        life
    }

    fn await_up(&self) {
        eventually("the command listens", || {
            (self.times_up() > 0).then_some(())
        });
        // The command can be quicker than the record of its birth.
        self.world.await_key("main", "Ready");
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.world.path(name)).unwrap_or_default()
    }

    fn times_up(&self) -> usize {
        self.log("cmd").lines().filter(|line| *line == "up").count()
    }

    /// What a listener has got, in its order.
    fn heard_by(&self, name: &str) -> Vec<i32> {
        self.log(name)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    fn heard(&self) -> Vec<i32> {
        self.heard_by("cmd")
    }

    fn send(&self, signals: &[i32]) {
        send_to(self.pid, signals);
    }

    /// Sends a signal and waits until the command has another one of the number.
    fn send_and_await(&self, signal: i32, number: i32) {
        let count = |heard: Vec<i32>| heard.into_iter().filter(|s| *s == number).count();
        let before = count(self.heard());
        self.send(&[signal]);
        eventually(format!("{number} comes for {signal}"), || {
            (count(self.heard()) > before).then_some(())
        });
    }

    /// Waits until the command has got a signal as often as that.
    fn await_times(&self, number: i32, times: usize) {
        eventually(format!("{number} comes {times} times"), || {
            let heard = self.heard().into_iter().filter(|s| *s == number);
            (heard.count() >= times).then_some(())
        });
    }

    /// Everything that the command gets for what happened until now.
    fn all_heard(&self) -> Vec<i32> {
        self.send_and_await(LAST, LAST);
        let mut heard = self.heard();
        assert_eq!(heard.pop(), Some(LAST));
        heard
    }

    /// Something that the stop is for.
    fn strike(&self) {
        let ended = self.world.signal(["dep"]).finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        self.world.await_key("main", "Cause");
    }

    /// Lets the command end.
    fn end(self) -> (Ended, World) {
        std::fs::write(self.world.path("end"), "").unwrap();
        (self.running.end(), self.world)
    }

    #[track_caller]
    fn assert_ends_by_itself(self) {
        let (ended, _) = self.end();
        assert_eq!(ended.status, LET_GO, "{ended:?}");
    }
}

// ---------------------------------------------------------------- each signal

const PID_NAMESPACE: [&str; 4] = ["unshare", "-pf", "--mount-proc", "--kill-child"];

fn pid_namespace_is_permitted() -> bool {
    let [program, options @ ..] = PID_NAMESPACE;
    is_permitted(
        "a PID namespace",
        Command::new(program).args(options).arg("true"),
    )
}

fn start_as_pid_1() -> Life {
    let world = World::new();
    let line = listening(&world, "", "");
    let running = command_of(&world, &PID_NAMESPACE, &line).start();
    let pid = only_child("unshare has forked", running.pid());
    let life = Life {
        running,
        pid,
        world,
    };
    life.await_up();
    life
}

/// Sends each signal and looks at what comes of it.
fn try_each(life: &Life) {
    let passed_on = all_passed_on();
    for signal in &passed_on {
        life.send_and_await(*signal, *signal);
    }
    assert_eq!(life.heard(), passed_on, "each one once, in its turn");
    life.send(&[CHLD]);
    assert_eq!(life.all_heard(), passed_on, "CHLD is not passed on");

    let command = only_child("the command", life.pid);
    life.send(&[STOP]);
    eventually("STOP stops exitdir-run", || {
        (state_of(life.pid) == Some('T')).then_some(())
    });
    assert_ne!(state_of(command), Some('T'), "and not the command");
    life.send_and_await(CONT, CONT);

    life.send(&[KILL]);
    eventually("KILL ends exitdir-run, and the kernel its command", || {
        (is_gone(&life.pid.to_string()) && is_gone(&command.to_string())).then_some(())
    });
}

#[test]
fn each_signal_that_can_be_caught_is_passed_on_under_its_number_but_chld() {
    if !can_listen() {
        return;
    }
    let life = Life::start("");
    try_each(&life);
    assert_eq!(life.running.end().status, 128 + KILL);
}

#[test]
fn as_pid_1_each_signal_from_outside_is_passed_on_under_its_number_but_chld() {
    if can_listen() && pid_namespace_is_permitted() {
        try_each(&start_as_pid_1());
    }
}

#[test]
fn as_pid_1_each_signal_from_its_own_container_is_passed_on_and_kill_and_stop_do_nothing() {
    if !can_listen() || !pid_namespace_is_permitted() {
        return;
    }
    let life = start_as_pid_1();
    // A stop signal takes away a CONT that is pending, so that comes by itself.
    let together: Vec<i32> = (1..=LAST).filter(|signal| *signal != CONT).collect();
    for batch in [&together[..], &[CONT]] {
        let text: Vec<String> = batch.iter().map(i32::to_string).collect();
        let unfinished = life.world.path("telling");
        std::fs::write(&unfinished, text.join(" ")).unwrap();
        std::fs::rename(&unfinished, life.world.path("tell")).unwrap();
        let last = batch.last().unwrap();
        eventually(format!("{last} comes back"), || {
            life.heard().contains(last).then_some(())
        });
    }
    let mut heard = life.heard();
    heard.sort_unstable();
    assert_eq!(heard, all_passed_on());
    life.assert_ends_by_itself();
}

// ---------------------------------------------------------------- many signals

/// Sends COUNT signals, mixed, and says for each number how often it was sent and how long the log was
/// just before the last time. Never are so many queued that the kernel would drop some: after each lot it
/// waits until all of those have come that the kernel queues.
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
    my $patience = 5_000;
    while (have_come() != $queued) {
        die "of $queued only " . have_come() . " have come" unless $patience--;
        select undef, undef, undef, 0.002;
    }
}
print "$_ $sent{$_} $mark{$_}\n" for keys %sent;
"#;

/// A stop signal and CONT take each other away while they are pending, so of these only CONT is sent here.
fn burst_numbers() -> Vec<i32> {
    all_passed_on()
        .into_iter()
        .filter(|signal| ![TSTP, TTIN, TTOU].contains(signal))
        .collect()
}

#[test]
fn of_10_000_mixed_signals_queued_ones_come_as_often_as_sent_and_others_after_the_last_was_sent() {
    if !can_listen() {
        return;
    }
    let life = Life::start("");
    let numbers = burst_numbers();
    let sender = life
        .world
        .command("perl")
        .args(["-e", BURST])
        .arg(life.pid.to_string())
        .arg(life.world.path("cmd"))
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
fn what_was_sent_several_times_before_it_was_read_comes_once_or_if_queued_each_time() {
    if !can_listen() {
        return;
    }
    let life = Life::start("");
    life.send(&[STOP]);
    eventually("exitdir-run is stopped", || {
        (state_of(life.pid) == Some('T')).then_some(())
    });
    let numbers: Vec<i32> = burst_numbers().into_iter().filter(|s| *s != CONT).collect();
    let thrice: Vec<i32> = numbers.iter().flat_map(|signal| [*signal; 3]).collect();
    life.send(&thrice);
    assert_eq!(life.heard(), []);
    life.send(&[CONT]);
    life.await_times(LAST, 3);
    let mut heard = life.all_heard();
    heard.sort_unstable();
    let times = |signal: &i32| if *signal >= FIRST_QUEUED { 3 } else { 1 };
    let mut expected: Vec<i32> = numbers
        .iter()
        .flat_map(|signal| vec![*signal; times(signal)])
        .chain([CONT])
        .collect();
    expected.sort_unstable();
    assert_eq!(heard, expected);
    life.assert_ends_by_itself();
}

// ---------------------------------------------------------------- at every moment

#[test]
fn the_command_gets_the_whole_mask_that_exitdir_run_was_started_with() {
    if !can_listen() {
        return;
    }
    let world = World::new();
    let mut line = vec!["env".to_owned(), "--default-signal=INT".to_owned()];
    line.push(binary().display().to_string());
    let show = ["run", "--", "grep", "SigBlk", "/proc/self/status"];
    line.extend(show.map(str::to_owned));
    let ended = command_of(&world, &[], &blocked(line)).finish();
    // All but KILL and STOP.
    assert_eq!(ended.stdout, "SigBlk:\tfffffffffffbfeff\n", "{ended:?}");
}

/// Whether a process executes the binary under test.
fn is_exitdir(pid: i32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|program| program == binary().canonicalize().unwrap())
}

/// Sends everything while the command's process exists and has not executed the command yet. `None` if it has by then.
fn signal_before_exec(delay: &str) -> Option<Vec<i32>> {
    let world = World::new();
    // Nobody else calls setpgid, and it is the first that the new process does.
    let delay = format!("inject=setpgid:delay_enter={delay}");
    let before = words("strace -f -q -o /dev/null -e trace=setpgid -e").into_iter();
    let before: Vec<&str> = before.chain([delay.as_str()]).collect();
    let line = blocked(listening(&world, "", ""));
    let running = command_of(&world, &before, &line).start();
    // strace has other children too, to try what it can do.
    let pid = eventually("strace has started exitdir-run", || {
        let mut traced = children(running.pid()).into_iter();
        traced.find(|pid| is_exitdir(*pid))
    });
    let child = only_child("exitdir-run has a child", pid);
    // A stop signal takes away a CONT that is pending, and this one comes last.
    send_to(pid, &all_passed_on());
    let in_time = is_exitdir(child);
    let life = Life {
        running,
        pid,
        world,
    };
    life.await_up();
    life.await_times(LAST, 1);
    let mut heard = life.all_heard();
    heard.sort_unstable();
    life.assert_ends_by_itself();
    in_time.then_some(heard)
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
    let mut heard = ["200000", "2000000", "10000000"]
        .into_iter()
        .find_map(signal_before_exec)
        .expect("a machine that sends signals within 10 s");
    // perl ignores FPE when it starts, and so forgets one that is pending already.
    heard.retain(|signal| *signal != FPE);
    let expected: Vec<i32> = all_passed_on()
        .into_iter()
        .filter(|s| ![CONT, FPE].contains(s))
        .collect();
    assert_eq!(heard, expected);
}

#[test]
fn during_a_stop_each_signal_is_passed_on_and_a_second_term_too() {
    if !can_listen() {
        return;
    }
    let life = Life::start("--death-deps dep --grace-period 1h");
    life.strike();
    life.await_times(TERM, 1);
    for signal in all_passed_on() {
        life.send_and_await(signal, signal);
    }
    let expected: Vec<i32> = [TERM].into_iter().chain(all_passed_on()).collect();
    assert_eq!(life.heard(), expected);
    life.assert_ends_by_itself();
}

/// A life whose command is down and will be started again in a second.
fn start_backing_off() -> Life {
    let world = World::new();
    let line = blocked(listening(&world, "--restart always", "brief"));
    let mut command = command_of(&world, &[], &line);
    // The kernel stops only who has a parent in another process group of the session.
    let running = command.process_group(0).start();
    let life = Life {
        pid: running.pid(),
        running,
        world,
    };
    eventually("the command is down", || {
        let key = |key| life.world.key("main", key);
        (key("Born").is_some() && key("Ready").is_none() || life.times_up() > 0).then_some(())
    });
    life
}

/// On a busy machine the second can be over before the scene was played; then once more.
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
        let (ended, world) = in_time(|| {
            let life = start_backing_off();
            life.send(&[signal]);
            let is_down = || {
                let text = life.log("cmd");
                is_gone(&life.pid.to_string()).then_some(text == "brief\n")
            };
            let down = eventually("it ends, or the command is back", || {
                is_down().or_else(|| (life.times_up() > 0).then_some(false))
            });
            down.then(|| life.end())
        });
        assert_eq!(ended.status, 128 + signal, "{ended:?}");
        let key = |key| world.key("main", key);
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
        eventually("everything was taken", || {
            has_taken_all(life.pid).then_some(())
        });
        children(life.pid).is_empty().then_some(life)
    });
    life.await_up();
    assert_eq!(life.all_heard(), []);
    drop(life);
}

/// A life that was stopped with TSTP while its command was down.
fn stopped_while_down(start: impl Fn() -> Life) -> Life {
    in_time(|| {
        let life = start();
        life.send(&[TSTP]);
        let stopped = eventually("it stops, or the command is back", || {
            let stopped = (state_of(life.pid) == Some('T')).then_some(true);
            stopped.or_else(|| (life.times_up() > 0).then_some(false))
        });
        stopped.then_some(life)
    })
}

fn start_waiting() -> Life {
    let world = World::new();
    let line = listening(&world, "--birth-deps never", "");
    let running = command_of(&world, &[], &line).process_group(0).start();
    let pid = running.pid();
    world.await_key("main", "Waiting");
    Life {
        running,
        pid,
        world,
    }
}

#[test]
fn tstp_while_the_command_is_down_stops_exitdir_run_and_a_term_ends_it_when_it_goes_on() {
    if !can_listen() {
        return;
    }
    let starts: [fn() -> Life; 2] = [start_waiting, start_backing_off];
    for start in starts {
        let life = stopped_while_down(start);
        life.send(&[TERM]);
        assert_eq!(state_of(life.pid), Some('T'));
        life.send(&[CONT]);
        let Life { running, world, .. } = life;
        let ended = running.end();
        assert_eq!(ended.status, 128 + TERM, "{ended:?}");
        let reason = world.key("main", "Reason");
        assert_eq!(reason.as_deref(), Some("interrupted"));
    }
}

#[test]
fn what_came_during_a_back_off_is_not_for_the_next_command_even_if_exitdir_run_was_stopped_for_longer()
 {
    if !can_listen() {
        return;
    }
    let life = stopped_while_down(start_backing_off);
    life.send(&[USR1]);
    // Until the second is over, however much longer this takes.
    std::thread::sleep(Duration::from_millis(1100));
    life.send(&[CONT]);
    life.await_up();
    assert_eq!(life.all_heard(), []);
}

// ---------------------------------------------------------------- where a call is refused

/// strace that refuses `rt_sigtimedwait`, as a container's seccomp profile may, and writes down each call. The
/// command is not traced.
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
fn refused(world: &World) -> usize {
    let log = std::fs::read_to_string(world.path("strace.log")).unwrap();
    let count = log.lines().filter(|line| line.contains("ENOSYS")).count();
    assert!(count > 0, "the call was never made: {log}");
    count
}

#[test]
fn where_sigtimedwait_is_refused_each_signal_is_passed_on_all_the_same_and_nothing_spins() {
    if !can_listen() || !refusing_is_permitted() {
        return;
    }
    let world = World::new();
    let log = world.path("strace.log").display().to_string();
    let line = listening(&world, "", "");
    let running = command_of(&world, &refusing(&log), &line).start();
    let pid = eventually("strace has started exitdir-run", || {
        let mut traced = children(running.pid()).into_iter();
        traced.find(|pid| is_exitdir(*pid))
    });
    let life = Life {
        running,
        pid,
        world,
    };
    life.await_up();
    for signal in all_passed_on() {
        life.send_and_await(signal, signal);
    }
    assert_eq!(life.heard(), all_passed_on());
    // It asks once after each signal, and once or twice at the beginning and for the end.
    let refused = refused(&life.world);
    let most = 2 * all_passed_on().len();
    assert!(refused < most, "asked {refused} times");
    life.assert_ends_by_itself();
}

#[test]
fn where_sigtimedwait_is_refused_a_timeout_comes_in_time_and_nothing_spins_until_then() {
    if !refusing_is_permitted() {
        return;
    }
    let world = World::new();
    let log = world.path("strace.log").display().to_string();
    // Ends with the test in any case.
    let script = "while test -d \"$0\"; do sleep 0.1; done";
    let graveyard = world.path("").display().to_string();
    let run = binary().display().to_string();
    let words = [&run, "run", "--timeout=500ms", "--", "sh", "-c", script];
    let line: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let ended = command_of(&world, &refusing(&log), &line)
        .arg(graveyard)
        // What strace leaves behind if it must be killed is not waited for.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .finish();
    assert_eq!(ended.status, 124, "{ended:?}");
    let refused = refused(&world);
    assert!(refused < 50, "asked {refused} times");
}

// ---------------------------------------------------------------- to whom

#[test]
fn with_group_a_signal_goes_to_everybody_in_the_group_but_not_to_who_has_left_it() {
    if !can_listen() {
        return;
    }
    for (options, in_group) in [("-g", vec![TERM, USR1, 32, 64]), ("", Vec::new())] {
        let life = Life::start_as(options, "family");
        for name in ["member", "leaver"] {
            eventually(format!("the {name} listens"), || {
                (life.log(name) == "up\n").then_some(())
            });
        }
        for signal in [TERM, USR1, 32, 64] {
            life.send_and_await(signal, signal);
        }
        assert_eq!(life.heard(), [TERM, USR1, 32, 64]);
        let command = only_child("the command", life.pid);
        for (child, name) in children(command).iter().zip(["member", "leaver"]) {
            // Comes after everything that it should not have got.
            send_to(*child, &[LAST]);
            let mut expected = if name == "member" {
                in_group.clone()
            } else {
                Vec::new()
            };
            expected.push(LAST);
            eventually(format!("the {name} has what was sent"), || {
                (life.heard_by(name).iter().filter(|s| **s == LAST).count()
                    == expected.iter().filter(|s| **s == LAST).count())
                .then_some(())
            });
            assert_eq!(life.heard_by(name), expected, "{options} {name}");
        }
        life.assert_ends_by_itself();
    }
}

#[test]
fn with_group_a_command_that_has_left_its_group_empty_gets_its_signals_all_the_same() {
    if !can_listen() {
        return;
    }
    let life = Life::start_as("-g", "stray");
    for signal in [TERM, USR1, 64] {
        life.send_and_await(signal, signal);
    }
    assert_eq!(life.heard(), [TERM, USR1, 64]);
    life.assert_ends_by_itself();
}

fn start_deserter(options: &str) -> (Life, String) {
    let life = Life::start_as(options, "deserter");
    eventually("the member listens", || {
        (life.log("member") == "up\n").then_some(())
    });
    let member = only_child("the member", only_child("the command", life.pid));
    (life, member.to_string())
}

#[test]
fn with_group_a_command_that_has_left_its_group_to_others_gets_each_signal_once_and_so_do_they() {
    if !can_listen() {
        return;
    }
    let (life, _) = start_deserter("-g --death-deps dep --grace-period 1h");
    for signal in [USR1, 64] {
        life.send_and_await(signal, signal);
    }
    life.strike();
    life.await_times(TERM, 1);
    assert_eq!(life.all_heard(), [USR1, 64, TERM]);
    eventually("the member has what was sent", || {
        (life.heard_by("member") == [USR1, 64, TERM, LAST]).then_some(())
    });
    life.assert_ends_by_itself();
}

#[test]
fn with_group_a_command_that_has_left_its_group_to_others_is_killed_with_them_after_the_grace_period()
 {
    if !can_listen() {
        return;
    }
    let (life, member) = start_deserter("-g --death-deps dep --grace-period 50ms");
    life.strike();
    let Life { running, world, .. } = life;
    let ended = running.end();
    assert_eq!(ended.status, 128 + KILL, "{ended:?}");
    eventually("the member is killed", || is_gone(&member).then_some(()));
    drop(world);
}

#[test]
fn with_group_kill_after_the_grace_period_is_for_the_whole_group() {
    if !can_listen() {
        return;
    }
    let life = Life::start_as("-g --death-deps dep --grace-period 50ms", "family");
    let family: Vec<i32> = eventually("both children listen", || {
        let up = |name| life.log(name) == "up\n";
        (up("member") && up("leaver")).then(|| children(only_child("the command", life.pid)))
    });
    life.strike();
    eventually("the member is killed", || {
        is_gone(&family[0].to_string()).then_some(())
    });
    assert!(!is_gone(&family[1].to_string()), "the leaver is not");
    let (ended, _) = life.end();
    assert_eq!(ended.status, 128 + KILL, "{ended:?}");
}

// ---------------------------------------------------------------- what is made of them

/// Options, and which number the command gets for which; 0 for nothing.
type Rewriting = (&'static str, &'static [(i32, i32)]);

const REWRITINGS: &[Rewriting] = &[
    ("--rewrite USR1:USR2", &[(USR1, USR2), (USR2, USR2)]),
    ("--rewrite sigusr1:12", &[(USR1, USR2)]),
    ("--rewrite TERM:QUIT", &[(TERM, QUIT), (INT, INT)]),
    ("--rewrite HUP:0", &[(HUP, 0), (INT, INT)]),
    ("--rewrite TERM:0", &[(TERM, 0), (TERM, 0)]),
    // Not one after the other.
    (
        "--rewrite USR1:USR2,USR2:USR1",
        &[(USR1, USR2), (USR2, USR1)],
    ),
    (
        "--rewrite USR1:USR2 --rewrite USR2:0",
        &[(USR1, USR2), (USR2, 0)],
    ),
    // The last word counts.
    ("--rewrite USR1:USR2,USR1:HUP", &[(USR1, HUP)]),
    ("--rewrite USR1:0 --rewrite USR1:HUP", &[(USR1, HUP)]),
    (
        "--rewrite USR1:HUP --rewrite USR1:0,HUP:34",
        &[(USR1, 0), (HUP, 34)],
    ),
    (
        "--rewrite 32:63,33:0,RTMIN+3:TERM",
        &[(32, 63), (33, 0), (37, TERM)],
    ),
    (
        "--rewrite TSTP:USR1,CONT:0,TTIN:32",
        &[(TSTP, USR1), (CONT, 0), (TTIN, 32)],
    ),
    ("--rewrite USR1:CHLD", &[(USR1, CHLD)]),
    (
        "--stop-signal QUIT",
        &[(TERM, QUIT), (QUIT, QUIT), (INT, INT)],
    ),
    ("--stop-signal RTMIN+3", &[(TERM, 37)]),
    ("--stop-signal 32", &[(TERM, 32)]),
    ("--stop-signal QUIT --rewrite TERM:HUP", &[(TERM, HUP)]),
    (
        "--stop-signal QUIT --rewrite INT:TERM",
        &[(INT, TERM), (TERM, QUIT)],
    ),
];

#[track_caller]
fn assert_gets(life: &Life, what: &str, sent: &[(i32, i32)]) {
    for (signal, number) in sent {
        if *number == 0 {
            life.send(&[*signal]);
        } else {
            life.send_and_await(*signal, *number);
        }
    }
    let expected: Vec<i32> = sent
        .iter()
        .map(|(_, to)| *to)
        .filter(|to| *to != 0)
        .collect();
    assert_eq!(life.all_heard(), expected, "{what}: {sent:?}");
}

#[test]
fn a_rewritten_signal_comes_under_its_new_number_or_not_at_all() {
    if !can_listen() {
        return;
    }
    for (options, sent) in REWRITINGS {
        let life = Life::start(options);
        assert_gets(&life, options, sent);
    }
}

#[test]
fn rewritings_come_from_the_variable_unless_the_command_line_has_some() {
    if !can_listen() {
        return;
    }
    let cases: [(&str, &[(i32, i32)]); 2] = [
        ("", &[(USR1, USR2), (HUP, 0)]),
        ("--rewrite USR1:INT", &[(USR1, INT), (HUP, HUP)]),
    ];
    for (options, sent) in cases {
        let world = World::new();
        let line = listening(&world, options, "");
        let running = command_of(&world, &[], &line)
            .env("EXITDIR_REWRITE", "USR1:USR2,HUP:0")
            .start();
        let life = Life {
            pid: running.pid(),
            running,
            world,
        };
        life.await_up();
        assert_gets(&life, options, sent);
    }
}

#[test]
fn a_signal_can_be_rewritten_to_kill_and_the_end_is_one_that_somebody_outside_wanted() {
    if !can_listen() {
        return;
    }
    let life = Life::start("--rewrite USR1:KILL");
    life.send(&[USR1]);
    let Life { running, world, .. } = life;
    assert_eq!(running.end().status, 128 + KILL);
    let key = |key| world.key("main", key);
    assert_eq!(key("Reason").as_deref(), Some("exited"));
    assert_eq!(key("Signal").as_deref(), Some("KILL"));
}

#[test]
fn what_cannot_be_rewritten_is_a_usage_error() {
    let wrong = [
        "KILL:TERM",
        "STOP:TERM",
        "CHLD:TERM",
        "KILL:0",
        "9:15",
        "17:0",
        "TERM",
        "TERM:",
        ":TERM",
        ":",
        "TERM:65",
        "65:TERM",
        "0:TERM",
        "0:0",
        "FOO:TERM",
        "TERM:FOO",
        "TERM:HUP:INT",
        "TERM=HUP",
        "USR1:USR2,KILL:0",
        "TERM:-1",
        "TERM:00",
        "RTMAX+1:0",
    ];
    for text in wrong {
        let world = World::new();
        let ended = world.run(["--rewrite", text, "--", "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("--rewrite"), "{text}: {ended:?}");
        let ended = world
            .run(["--", "true"])
            .env("EXITDIR_REWRITE", text)
            .finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(
            ended.stderr.contains("EXITDIR_REWRITE"),
            "{text}: {ended:?}"
        );
    }
}

// ---------------------------------------------------------------- stops

/// Options, what came from outside and what the command got for it, and what the stop sends then.
type Stop = (&'static str, &'static [(i32, i32)], &'static [i32]);

const STOPS: &[Stop] = &[
    ("", &[], &[TERM]),
    ("", &[(TERM, TERM)], &[]),
    ("", &[(INT, INT)], &[TERM]),
    ("", &[(USR1, USR1), (HUP, HUP)], &[TERM]),
    ("--rewrite TERM:QUIT", &[], &[TERM]),
    ("--rewrite TERM:QUIT", &[(TERM, QUIT)], &[]),
    ("--rewrite TERM:QUIT", &[(QUIT, QUIT)], &[TERM]),
    ("--rewrite INT:TERM", &[(INT, TERM)], &[]),
    ("--rewrite TERM:0", &[(TERM, 0)], &[TERM]),
    ("--stop-signal QUIT", &[], &[QUIT]),
    ("--stop-signal QUIT", &[(TERM, QUIT)], &[]),
    ("--stop-signal QUIT", &[(QUIT, QUIT)], &[]),
    ("--stop-signal QUIT", &[(INT, INT)], &[QUIT]),
    ("--stop-signal QUIT --rewrite TERM:HUP", &[(TERM, HUP)], &[]),
    ("--stop-signal 33", &[(TERM, 33)], &[]),
    ("--stop-signal 33", &[], &[33]),
];

#[test]
fn a_stop_sends_the_stop_signal_unless_it_or_what_stands_for_a_term_was_passed_on() {
    if !can_listen() {
        return;
    }
    for (options, from_outside, from_the_stop) in STOPS {
        let life = Life::start(&format!("--death-deps dep --grace-period 1h {options}"));
        let mut expected: Vec<i32> = from_outside.iter().map(|(_, to)| *to).collect();
        for (signal, number) in *from_outside {
            match number {
                0 => life.send(&[*signal]),
                _ => life.send_and_await(*signal, *number),
            }
        }
        assert_eq!(
            life.all_heard().len(),
            expected.iter().filter(|s| **s != 0).count()
        );
        expected.push(LAST);
        expected.extend(*from_the_stop);
        expected.retain(|signal| *signal != 0);
        life.strike();
        assert_eq!(life.all_heard(), expected, "{options} {from_outside:?}");
    }
}

/// What happens to a life that holds a TERM back.
enum Then {
    Gets(i32),
    Strikes,
}

/// Options, what happens after a TERM, and all that the command gets then, sorted.
type Delayed = (&'static str, &'static [Then], &'static [i32]);

const DELAYED: &[Delayed] = &[
    ("", &[], &[]),
    // Others are passed on meanwhile.
    (
        "",
        &[Then::Gets(USR1), Then::Gets(HUP), Then::Gets(32)],
        &[HUP, USR1, 32],
    ),
    // What ends the delay.
    ("", &[Then::Gets(TERM)], &[TERM]),
    ("", &[Then::Gets(TERM), Then::Gets(TERM)], &[TERM, TERM]),
    ("", &[Then::Gets(INT)], &[INT, TERM]),
    ("", &[Then::Gets(QUIT)], &[QUIT, TERM]),
    ("", &[Then::Strikes], &[TERM]),
    ("", &[Then::Gets(USR1), Then::Strikes], &[USR1, TERM]),
    ("", &[Then::Strikes, Then::Gets(TERM)], &[TERM, TERM]),
    ("", &[Then::Gets(TERM), Then::Strikes], &[TERM]),
    (
        "",
        &[Then::Gets(INT), Then::Strikes, Then::Gets(TERM)],
        &[INT, TERM, TERM],
    ),
    // What is held back is what the command would have got.
    ("--stop-signal QUIT", &[Then::Gets(TERM)], &[QUIT]),
    ("--stop-signal QUIT", &[Then::Strikes], &[QUIT]),
    ("--rewrite TERM:USR2", &[Then::Gets(TERM)], &[USR2]),
    ("--rewrite TERM:USR2", &[Then::Strikes], &[TERM]),
    ("--rewrite TERM:0", &[Then::Gets(INT)], &[INT]),
    ("--rewrite INT:0", &[Then::Gets(INT)], &[TERM]),
];

#[test]
fn a_term_is_held_back_for_the_stop_delay_which_a_second_one_or_any_other_stop_ends() {
    if !can_listen() {
        return;
    }
    for (options, then, expected) in DELAYED {
        let life = Life::start(&format!(
            "--stop-delay 1h --death-deps dep --grace-period 1h {options}"
        ));
        life.send(&[TERM]);
        assert_eq!(life.all_heard(), [], "{options}: held back");
        for what in *then {
            match what {
                Then::Gets(signal) => life.send(&[*signal]),
                Then::Strikes => life.strike(),
            }
            // One by one: two of a number would be one.
            life.all_heard();
        }
        let mut heard = life.all_heard();
        heard.retain(|signal| *signal != LAST);
        heard.sort_unstable();
        assert_eq!(heard, *expected, "{options}");
    }
}

#[test]
fn a_term_comes_when_the_stop_delay_is_over_and_not_before() {
    if !can_listen() {
        return;
    }
    let life = Life::start("--stop-delay 300ms");
    let began = Instant::now();
    life.send_and_await(TERM, TERM);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(life.all_heard(), [TERM]);
    // This one is the second.
    life.send_and_await(TERM, TERM);
    let (ended, _) = life.end();
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_timeout_ends_the_stop_delay() {
    if !can_listen() {
        return;
    }
    // The listener is up well before; if not, TERM comes from the stop alone, which is the same here.
    let life = Life::start("--stop-delay 1h --timeout 500ms --grace-period 1h");
    life.send(&[TERM]);
    eventually("the time is over", || {
        life.heard().contains(&TERM).then_some(())
    });
    let (ended, world) = life.end();
    assert_eq!(ended.status, 124, "{ended:?}");
    assert_eq!(world.key("main", "Reason").as_deref(), Some("timeout"));
}

#[test]
fn a_command_that_ends_during_the_stop_delay_ends_the_life_at_once_and_is_not_started_again() {
    if !can_listen() {
        return;
    }
    let life = Life::start("--stop-delay 1h --restart always");
    life.send(&[TERM]);
    assert_eq!(life.all_heard(), []);
    let (ended, world) = life.end();
    assert_eq!(ended.status, LET_GO, "{ended:?}");
    assert_eq!(world.key("main", "Reason").as_deref(), Some("exited"));
    let log = std::fs::read_to_string(world.path("cmd")).unwrap();
    assert_eq!(log.matches("up").count(), 1);
}
