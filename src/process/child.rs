//! The command as a process: starting it, signalling it, reaping it and all orphans, and its place in
//! the terminal. Decides nothing.

use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::signal::Signal;
use crate::sys::command_line::CommandLine;
use crate::sys::process::{SignalTarget, exit_status, kill};
use crate::sys::signals::{SelfStop, Signals};
use crate::sys::spawn::{SpawnError, SpawnExtras, SpawnSetup, spawn};
use crate::sys::terminal::{
    foreground_terminal, give_foreground, has_controlling_terminal, take_foreground_back,
};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use std::io;
use std::os::fd::RawFd;

/// The command, from its start until it was reaped.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    target: SignalTarget,
    /// The terminal whose foreground it was given.
    terminal: Option<RawFd>,
    /// It was last seen stopped.
    paused: bool,
}

/// What reaping found.
#[derive(Debug)]
pub(crate) struct Reaped {
    /// How the command ended.
    pub(crate) ended: Option<ExitStatus>,
    /// What stopped the command.
    pub(crate) paused: Option<Signal>,
    /// Who else has ended, and how.
    pub(crate) others: Vec<(Pid, Option<ExitStatus>)>,
    /// Whether any child is left.
    pub(crate) remaining: Remaining,
    /// Where the command was.
    pub(crate) terminal_place: TerminalPlace,
}

impl Child {
    /// Starts the command in a process group of its own, with signals as we found them, and in the
    /// foreground of the terminal if that was our place.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        target: SignalTarget,
        extras: SpawnExtras<'_>,
    ) -> Result<Child, StartFailure> {
        let terminal = foreground_terminal();
        let setup = SpawnSetup {
            inherited: signals.inherited(),
            own_group: true,
            terminal,
        };
        match spawn(command, setup, extras) {
            Ok(pid) => Ok(Child {
                pid,
                target,
                terminal,
                paused: false,
            }),
            Err(SpawnError::Fork(error)) => Err(StartFailure::System(errno(&error))),
            Err(SpawnError::Exec(error)) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    StartFailure::NotFound(errno(&error))
                }
                _ => StartFailure::NotExecutable(errno(&error)),
            }),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal. After a stop `CONT` goes to the whole group, as the stop did, and to where the
    /// terminal is if that is ours again.
    #[inline(always)]
    pub(crate) fn send(&mut self, signal: Signal) -> io::Result<()> {
        let mut target = self.target;
        match signal {
            Signal::CONT => {
                self.lend_terminal();
                if std::mem::take(&mut self.paused) || self.is_stopped() {
                    target = SignalTarget::Group;
                }
            }
            // A shell does not say CONT when it brings a job to the foreground that runs. What a key then
            // sends to our group is meant for the command's.
            Signal::INT | Signal::QUIT | Signal::TSTP if self.lend_terminal() => {
                target = SignalTarget::Group;
            }
            _ => {}
        }
        if target == SignalTarget::Group && self.has_left_its_group() {
            kill(self.pid, SignalTarget::Process, signal).or_else(unless_nobody)?;
        }
        match kill(self.pid, target, signal) {
            Err(error) => unless_nobody(error),
            sent => sent,
        }
    }

    /// Whether it is stopped, which may not have been told to us yet.
    fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let found = rustix::process::waitid(WaitId::Pid(self.pid), options);
        matches!(found, Ok(Some(_)))
    }

    fn has_left_its_group(&self) -> bool {
        rustix::process::getpgid(Some(self.pid)).is_ok_and(|group| group != self.pid)
    }

    /// Stops with the command, so that whoever controls the job sees it stopped. Returns when we were
    /// continued; the `CONT` for that is pending then.
    ///
    /// Where nobody could continue us (PID 1, an orphaned process group) the kernel does not stop us; then
    /// neither `^Z` may stop the command, and one that was stopped for the terminal gets it.
    pub(crate) fn pause(&mut self, signal: Signal, signals: &Signals) {
        if !has_controlling_terminal() {
            return;
        }
        if matches!(signal, Signal::TTIN | Signal::TTOU) && self.lend_terminal() {
            // We were brought to the foreground while it ran: what it was stopped for it may do now.
            // That it is gone is about to be told to us.
            let _ = self.send(Signal::CONT);
            return;
        }
        self.return_terminal();
        let ours = match signal {
            Signal::TTIN | Signal::TTOU => signal,
            _ => Signal::TSTP,
        };
        if signals.stop_self(SignalTarget::Group, ours) == SelfStop::Continued {
            return;
        }
        let foreground = self.lend_terminal();
        if signal == Signal::TSTP || signal == ours && foreground {
            // That it is gone is about to be told to us.
            let _ = self.send(Signal::CONT);
        }
    }

    /// Gives it the foreground of the terminal if that is our place.
    fn lend_terminal(&mut self) -> bool {
        if let Some(terminal) = foreground_terminal() {
            give_foreground(terminal, self.pid);
            self.terminal = Some(terminal);
            return true;
        }
        false
    }

    fn return_terminal(&mut self) {
        if let Some(terminal) = self.terminal.take() {
            take_foreground_back(terminal, self.pid);
        }
    }

    /// Reaps everything that has ended.
    pub(crate) fn reap(child: &mut Option<Child>) -> Reaped {
        let mut found = Reaped {
            ended: None,
            paused: None,
            others: Vec::new(),
            remaining: Remaining::Descendants,
            terminal_place: TerminalPlace::Elsewhere,
        };
        loop {
            match rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((pid, status))) => {
                    found.note(child.as_mut(), pid, status);
                }
                Ok(None) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    found.remaining = Remaining::Nothing;
                    break;
                }
            }
        }
        if found.ended.is_some()
            && let Some(mut child) = child.take()
        {
            if child.terminal.is_some() {
                found.terminal_place = TerminalPlace::Foreground;
            }
            child.return_terminal();
        }
        found
    }
}

impl Reaped {
    fn note(&mut self, child: Option<&mut Child>, pid: Pid, status: WaitStatus) {
        let Some(child) = child.filter(|child| child.pid == pid) else {
            if !status.stopped() {
                self.others.push((pid, exit_status(status)));
            }
            return;
        };
        match status.stopping_signal().and_then(Signal::from_number) {
            Some(signal) => {
                child.paused = true;
                self.paused = Some(signal);
            }
            None => {
                self.ended = exit_status(status);
                self.paused = None;
            }
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// A signal that finds nobody is no error: the end is on its way to us.
fn unless_nobody(error: io::Error) -> io::Result<()> {
    if is_nobody(&error) {
        Ok(())
    } else {
        Err(error)
    }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}
