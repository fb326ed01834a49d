//! Processes of ours: what `/proc` says of them, and their end.

use crate::bench::Outcome;
use rustix::process::{Pid, Signal};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a process is started that comes to nothing.
const ATTEMPTS: usize = 20;

/// A process that does not outlive its measurement.
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

    /// Starts a process and waits until it waits. Again if it never does: a user's inotify instances are
    /// few, whoever finds none goes another way, and the kernel may still be closing the last ones.
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
    pub(crate) fn start_speaking(command: &mut Command) -> Outcome<Process> {
        Process::start(command.stdout(Stdio::piped()))
    }

    /// Waits for the next byte that it writes. When it came.
    pub(crate) fn await_byte(&mut self) -> Outcome<Instant> {
        let stdout = self.child.stdout.as_mut().ok_or("it does not speak")?;
        let read = stdout.read_exact(&mut [0]);
        read.map_err(|error| format!("it said nothing: {error}"))?;
        Ok(Instant::now())
    }

    pub(crate) fn send(&self, signal: Signal) -> Outcome<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| format!("cannot send a signal: {error}"))
    }

    /// Waits for the end, which must be a success.
    pub(crate) fn succeed(&mut self) -> Outcome<()> {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("process {} ended with {status}", self.child.id())),
            Err(error) => Err(format!("cannot wait: {error}")),
        }
    }

    /// Ends it with TERM, which a supervisor passes on to its child.
    pub(crate) fn terminate(&mut self) -> Outcome<()> {
        self.send(Signal::TERM)?;
        let end = self.child.wait();
        end.map(|_| ())
            .map_err(|error| format!("cannot wait: {error}"))
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// Sleeping, not running or on its way to the processor (proc_pid_stat(5)).
    pub(crate) fn sleeps(&self) -> bool {
        let stat = self.read("stat");
        // The name before the state is in brackets, and may hold anything.
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    /// Whether it has a watch armed.
    pub(crate) fn watches(&self) -> bool {
        let Ok(descriptors) = std::fs::read_dir(self.file("fdinfo")) else {
            return false;
        };
        descriptors
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
            .any(|text| text.contains("inotify wd:"))
    }

    /// Whether it has a child that executes the program of this name.
    pub(crate) fn has_child(&self, name: &str) -> bool {
        let pid = self.child.id();
        let children = self.read(&format!("task/{pid}/children"));
        children.split_whitespace().any(|child| {
            std::fs::read_to_string(format!("/proc/{child}/comm"))
                .is_ok_and(|comm| comm.trim_end() == name)
        })
    }

    /// A figure in kB of `status` or `smaps_rollup`.
    pub(crate) fn kilobytes(&self, file: &str, key: &str) -> Outcome<f64> {
        let text = self.read(file);
        let value = text.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix(':')?;
            value.trim().strip_suffix(" kB")?.parse().ok()
        });
        value.ok_or(format!("{} says no {key}", self.file(file).display()))
    }

    /// Asks until it is so.
    pub(crate) fn await_that(&mut self, what: &str, ask: impl Fn(&Process) -> bool) -> Outcome<()> {
        let began = Instant::now();
        while !ask(self) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status} before it {what}"));
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("never {what}"));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail after an orderly end, and there is nobody to tell otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
