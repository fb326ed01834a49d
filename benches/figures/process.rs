//! Child processes: starting and ending them, and what `/proc` shows about them.

use crate::bench::Outcome;
use rustix::process::{Pid, Signal};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for a process to reach a state.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a process is started that does not reach the state.
const ATTEMPTS: usize = 20;

/// A process that is killed at the end of its measurement.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Outcome<Process> {
        let child = command.spawn();
        let program = command.get_program().display();
        let child = child.map_err(|error| format!("cannot run {program}: {error}"))?;
        Ok(Process { child })
    }

    /// Starts a process and waits until it waits itself. Tries again if it does not: a user has few
    /// inotify instances, a program without one does not wait as expected, and the kernel may still
    /// be closing those of earlier processes.
    pub(crate) fn start_waiting(
        command: &mut Command,
        waits: impl Fn(&Process) -> bool,
    ) -> Outcome<Process> {
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let mut process = Process::start(command)?;
            match process.await_that("waited", &waits) {
                Ok(()) => return Ok(process),
                Err(sentence) => why = sentence,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(why)
    }

    /// Starts a process whose standard output is read by [`Process::await_byte`].
    pub(crate) fn start_piped(command: &mut Command) -> Outcome<Process> {
        Process::start(command.stdout(Stdio::piped()))
    }

    /// Waits for the next byte from the process, and returns when it came.
    pub(crate) fn await_byte(&mut self) -> Outcome<Instant> {
        let stdout = self.child.stdout.as_mut().ok_or("no standard output")?;
        let read = stdout.read_exact(&mut [0]);
        read.map_err(|error| format!("no byte on standard output: {error}"))?;
        Ok(Instant::now())
    }

    /// Waits for a time that the process has written, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) fn await_stamp(&mut self) -> Outcome<Duration> {
        let stdout = self.child.stdout.as_mut().ok_or("no standard output")?;
        let mut stamp = [0; 8];
        let read = stdout.read_exact(&mut stamp);
        read.map_err(|error| format!("no time on standard output: {error}"))?;
        Ok(Duration::from_nanos(u64::from_ne_bytes(stamp)))
    }

    pub(crate) fn send(&self, signal: Signal) -> Outcome<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| format!("cannot send a signal: {error}"))
    }

    /// Waits for the end of the process, which must succeed.
    pub(crate) fn succeed(&mut self) -> Outcome<()> {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("process {} ended with {status}", self.child.id())),
            Err(error) => Err(format!("cannot wait: {error}")),
        }
    }

    /// Waits for the end of the process, whatever its status.
    pub(crate) fn end(&mut self) -> Outcome<()> {
        let end = self.child.wait();
        end.map(|_| ())
            .map_err(|error| format!("cannot wait: {error}"))
    }

    /// Ends the process with TERM, which a supervisor forwards to its command.
    pub(crate) fn terminate(&mut self) -> Outcome<()> {
        self.send(Signal::TERM)?;
        self.end()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// Whether the process sleeps: it neither runs nor waits for a processor (proc_pid_stat(5)).
    pub(crate) fn sleeps(&self) -> bool {
        sleeps(&self.pid().to_string())
    }

    /// Whether the process has an inotify watch.
    pub(crate) fn watches(&self) -> bool {
        watches(&self.pid().to_string())
    }

    /// Whether the process has a child that executes the program of this name.
    pub(crate) fn has_child(&self, name: &str) -> bool {
        self.children().iter().any(|child| {
            std::fs::read_to_string(format!("/proc/{child}/comm"))
                .is_ok_and(|comm| comm.trim_end() == name)
        })
    }

    /// Whether the process has a child that executes another program.
    pub(crate) fn has_started(&self) -> bool {
        let comm = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        let own = comm(&self.pid().to_string());
        self.children()
            .iter()
            .any(|child| comm(child).is_some_and(|comm| Some(comm) != own))
    }

    fn children(&self) -> Vec<String> {
        let pid = self.pid();
        let children = self.read(&format!("task/{pid}/children"));
        children.split_whitespace().map(str::to_owned).collect()
    }

    /// Whether the process or one of its children has an inotify watch, and sleeps.
    pub(crate) fn is_waiting(&self) -> bool {
        let waits = |pid: &str| watches(pid) && sleeps(pid);
        let own = self.pid().to_string();
        waits(&own) || self.sleeps() && self.children().iter().any(|child| waits(child))
    }

    /// How often the process has gone to sleep, which is how often it will have woken up.
    pub(crate) fn sleeps_so_far(&self) -> Outcome<f64> {
        let text = self.read("status");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        value
            .and_then(|value| value.trim().parse().ok())
            .ok_or(format!("process {} does not count its sleeps", self.pid()))
    }

    /// The processor time of the process, and of its children that have ended. In microseconds.
    pub(crate) fn processor_time(&self) -> f64 {
        let own = self.read("schedstat");
        let own = own.split(' ').next().and_then(|text| text.parse().ok());
        let stat = self.read("stat");
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        // cutime and cstime (proc_pid_stat(5)), in hundredths of a second.
        let ticks = after_name.split(' ').skip(13).take(2);
        let ticks: f64 = ticks.filter_map(|text| text.parse::<f64>().ok()).sum();
        own.unwrap_or(0.0) / 1e3 + ticks * 1e4
    }

    /// A value in kB from `status` or `smaps_rollup`.
    pub(crate) fn kilobytes(&self, file: &str, key: &str) -> Outcome<f64> {
        let text = self.read(file);
        let value = text.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix(':')?;
            value.trim().strip_suffix(" kB")?.parse().ok()
        });
        value.ok_or(format!("{} has no {key}", self.file(file).display()))
    }

    /// Checks again and again until the process is in a state.
    pub(crate) fn await_that(&mut self, what: &str, ask: impl Fn(&Process) -> bool) -> Outcome<()> {
        let began = Instant::now();
        while !ask(self) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status} before it {what}"));
            }
            if began.elapsed() > STATE_TIMEOUT {
                return Err(format!("never {what}"));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail after an orderly end; no other error can be acted on here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sleeps(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state is in parentheses and can contain any character.
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}

fn watches(pid: &str) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .any(|text| text.contains("inotify wd:"))
}
