//! A command that blocks every signal, takes them one by one and writes down their numbers; and a
//! life with this command.
//!
//! It asks the kernel itself, because the C library leaves out 32 and 33. That a signal did not
//! come is known when one that was sent later did: of several that are pending the kernel hands out
//! the lowest first, so 64 comes after everything that was there before it.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, binary, wait_until, words};
use crate::support::signals::{CHLD, KILL, LAST, STOP, send_all};
use std::process::Command;

/// The exit code of a listener whose file `end` exists.
pub const LET_GO: i32 = 5;

/// Writes down the numbers of the signals that it gets, until there is a file `end` or no directory
/// any more. MANNER: `brief` ends with 1 the first time; `family` has a child in its process group
/// and one that has left it, which listen too; `stray` goes over to its parent's process group,
/// `deserter` too but leaves a child that listens. Signals whose numbers are in the file `tell` it
/// sends to its parent.
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

/// Whether a listener can run here.
pub fn can_listen() -> bool {
    is_permitted(
        "a listener in perl",
        Command::new("perl").args(["-e", BLOCK, CALLS[0], "true"]),
    )
}

/// Every signal that can be caught and is not `CHLD`.
pub fn all_passed_on() -> Vec<i32> {
    (1..=LAST)
        .filter(|signal| ![KILL, STOP, CHLD].contains(signal))
        .collect()
}

/// A life of `main` whose command listens.
pub struct ListeningLife {
    pub running: Running,
    /// exitdir-run, which may be a child of the process that was started.
    pub pid: i32,
    pub sandbox: Sandbox,
}

/// The arguments of `exitdir-run` with a listener. Signals that the parent of the tests ignores are
/// reset.
pub fn listening(sandbox: &Sandbox, options: &str, manner: &str) -> Vec<String> {
    let script = sandbox.path("listener.pl");
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
    line.push(sandbox.path("").display().to_string());
    line.push(manner.to_owned());
    line
}

/// The same with every signal blocked, so that a command also gets the signals that were sent
/// before it listened.
pub fn blocked(mut line: Vec<String>) -> Vec<String> {
    // `env` unblocks what it resets.
    let block = ["perl", "-e", BLOCK, CALLS[0]].map(str::to_owned);
    line.splice(2..2, block);
    line
}

/// These arguments, and those of the program that starts them.
pub fn command_of(sandbox: &Sandbox, before: &[&str], line: &[String]) -> Command {
    let all: Vec<&str> = before
        .iter()
        .copied()
        .chain(line.iter().map(String::as_str))
        .collect();
    let mut command = sandbox.command(all[0]);
    command.args(&all[1..]);
    command
}

impl ListeningLife {
    pub fn start(options: &str) -> ListeningLife {
        ListeningLife::start_as(options, "")
    }

    pub fn start_as(options: &str, manner: &str) -> ListeningLife {
        let sandbox = Sandbox::new();
        let line = listening(&sandbox, options, manner);
        let running = command_of(&sandbox, &[], &line).start();
        let pid = running.pid();
        ListeningLife::of(sandbox, running, pid)
    }

    /// The life of this exitdir-run, once its command listens.
    pub fn of(sandbox: Sandbox, running: Running, pid: i32) -> ListeningLife {
        let life = ListeningLife {
            running,
            pid,
            sandbox,
        };
        life.await_up();
        life
    }

    pub fn await_up(&self) {
        wait_until("the command listens", || self.start_count() > 0);
        // The command can run before its birth is recorded.
        self.sandbox.await_key("main", "Ready");
    }

    pub fn log(&self, name: &str) -> String {
        self.sandbox.read(name)
    }

    pub fn start_count(&self) -> usize {
        self.log("cmd").lines().filter(|line| *line == "up").count()
    }

    /// The signals that a listener has got, in their order.
    pub fn received_by(&self, name: &str) -> Vec<i32> {
        self.log(name)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    pub fn received(&self) -> Vec<i32> {
        self.received_by("cmd")
    }

    pub fn send(&self, signals: &[i32]) {
        send_all(self.pid, signals);
    }

    /// Sends a signal and waits until the command has another one of the number.
    pub fn send_and_await(&self, signal: i32, number: i32) {
        let count = |received: Vec<i32>| received.into_iter().filter(|s| *s == number).count();
        let before = count(self.received());
        self.send(&[signal]);
        wait_until(format!("{number} comes for {signal}"), || {
            count(self.received()) > before
        });
    }

    /// Waits until the command has got a signal this often.
    pub fn await_times(&self, number: i32, times: usize) {
        wait_until(format!("{number} comes {times} times"), || {
            let received = self.received().into_iter().filter(|s| *s == number);
            received.count() >= times
        });
    }

    /// All signals that the command gets because of events up to now.
    pub fn all_received(&self) -> Vec<i32> {
        self.send_and_await(LAST, LAST);
        let mut received = self.received();
        assert_eq!(received.pop(), Some(LAST));
        received
    }

    /// Causes a stop.
    pub fn trigger_stop(&self) {
        let ended = self.sandbox.signal(["dep"]).finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        self.sandbox.await_key("main", "Cause");
    }

    /// Lets the command end.
    pub fn end(self) -> (Ended, Sandbox) {
        self.sandbox.touch("end");
        (self.running.end(), self.sandbox)
    }

    #[track_caller]
    pub fn assert_ends_by_itself(self) {
        let (ended, _) = self.end();
        assert_eq!(ended.status, LET_GO, "{ended:?}");
    }
}
