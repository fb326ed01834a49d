//! The command as a process: starting it, signalling it, pausing with it, and its place in the
//! terminal; and reaping all children, orphans included.

use super::shared_group::signal_group;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::signal::Signal;
use crate::sys::command_line::CommandLine;
use crate::sys::process::{SignalTarget, exit_status, group_of, kill, wait_child};
use crate::sys::signals::{SelfStop, Signals};
use crate::sys::spawn::{SpawnError, SpawnExtras, SpawnSetup, spawn};
use crate::sys::terminal::{
    foreground_terminal, give_foreground, has_controlling_terminal, is_foreground_unknown,
    take_foreground_back,
};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::{io, process};

/// The command, from its start until it is reaped.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    target: SignalTarget,
    /// The terminal whose foreground was given to the command.
    terminal: Option<RawFd>,
    /// It is in the group of this process.
    shares_group: bool,
    /// It was stopped when it was last observed.
    is_paused: bool,
}

/// What [`Child::reap`] found.
#[derive(Debug)]
pub(crate) struct Reaped {
    /// How the command ended, if it has.
    pub(crate) ended: Option<ExitStatus>,
    /// The signal that stopped the command, if one has.
    pub(crate) paused: Option<Signal>,
    /// The other children that have ended, and how.
    pub(crate) others: Vec<(Pid, Option<ExitStatus>)>,
    /// Whether this process has children left.
    pub(crate) remaining: Remaining,
    /// Where the command was when it ended.
    pub(crate) terminal_place: TerminalPlace,
}

impl Child {
    /// Starts the command in a process group of its own, with signals as they were at startup. The
    /// command gets the foreground of the terminal if this process has it. Where this process may
    /// have it but cannot give it away, the command stays in its group. The error says why the
    /// command would outlive this process if that were killed.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        target: SignalTarget,
        extras: SpawnExtras<'_>,
    ) -> Result<(Child, Option<io::Error>), StartFailure> {
        let terminal = foreground_terminal();
        let shares_group = is_foreground_unknown();
        let setup = SpawnSetup {
            inherited: signals.inherited(),
            own_group: !shares_group,
            terminal,
        };
        let started = spawn(command, setup, extras).map_err(|error| start_failure(&error))?;
        signals.share_terminal(shares_group);
        let child = Child {
            pid: started.pid,
            target,
            terminal,
            shares_group,
            is_paused: false,
        };
        Ok((child, started.unguarded))
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal. A `CONT` after a stop goes to the whole group, because the stop signal did;
    /// if this process has the foreground of the terminal again, the command gets it first.
    // Always inlined: each forwarded signal passes here, and opt-level "z" ignores a plain hint.
    #[inline(always)]
    pub(crate) fn send(&mut self, signal: Signal) -> io::Result<()> {
        let mut target = self.target;
        match signal {
            Signal::CONT => {
                self.lend_terminal();
                if std::mem::take(&mut self.is_paused) || self.is_stopped() {
                    target = SignalTarget::Group;
                }
            }
            // A shell sends no CONT when it brings a running job to the foreground. A key then
            // signals the group of this process, but it is meant for the command's group.
            Signal::INT | Signal::QUIT | Signal::TSTP if self.lend_terminal() => {
                target = SignalTarget::Group;
            }
            _ => {}
        }
        if target == SignalTarget::Group {
            if self.shares_group {
                return signal_group(self.pid, signal).or_else(ignore_missing);
            }
            if self.has_left_its_group() {
                kill(self.pid, SignalTarget::Process, signal).or_else(ignore_missing)?;
            }
        }
        match kill(self.pid, target, signal) {
            Err(error) => ignore_missing(error),
            sent => sent,
        }
    }

    /// Whether it is stopped now. Its `CHLD` may still be pending.
    fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let found = rustix::process::waitid(WaitId::Pid(self.pid), options);
        matches!(found, Ok(Some(_)))
    }

    fn has_left_its_group(&self) -> bool {
        group_of(Some(self.pid)).is_ok_and(|group| group != self.pid.as_raw_pid())
    }

    /// Stops this process together with the command, so that the shell that controls the job sees
    /// it stopped. Returns after this process was continued; the `CONT` for that is pending then.
    ///
    /// Where no process could continue this one (PID 1, an orphaned process group), the kernel does
    /// not stop it. Then the command must not stay stopped after `^Z` either. If it has stopped
    /// because it needs the foreground of the terminal, it gets that if this process has it.
    ///
    /// A command in the group of this process was not stopped by `^Z` if no process could continue
    /// the group, and the shell that continues the group continues the command too.
    pub(crate) fn pause(&mut self, signal: Signal, signals: &Signals) {
        if !has_controlling_terminal() {
            return;
        }
        if matches!(signal, Signal::TTIN | Signal::TTOU) && self.lend_terminal() {
            // A shell has brought the job to the foreground while the command was running, so the
            // command can now do what it was stopped for.
            self.resume();
            return;
        }
        self.return_terminal();
        let own = match signal {
            Signal::TTIN | Signal::TTOU => signal,
            _ => Signal::TSTP,
        };
        let stop = signals.stop_self(SignalTarget::Group, own);
        if stop == SelfStop::Continued || self.shares_group {
            return;
        }
        let foreground = self.lend_terminal();
        if signal == Signal::TSTP || signal == own && foreground {
            self.resume();
        }
    }

    fn resume(&mut self) {
        // If the command is gone, the next reap finds that.
        let _ = self.send(Signal::CONT);
    }

    /// Gives the command the foreground of the terminal if this process has it. Returns whether.
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

    /// Reaps every child that has ended.
    pub(crate) fn reap(child: &mut Option<Child>, signals: &Signals) -> Reaped {
        let mut reaped = Reaped::collect(child.as_mut());
        if reaped.ended.is_some()
            && let Some(mut child) = child.take()
        {
            signals.share_terminal(false);
            if child.terminal.is_some() || child.shares_group {
                reaped.terminal_place = TerminalPlace::Foreground;
            }
            child.return_terminal();
        }
        reaped
    }
}

impl Reaped {
    fn collect(mut child: Option<&mut Child>) -> Reaped {
        let mut reaped = Reaped {
            ended: None,
            paused: None,
            others: Vec::new(),
            remaining: Remaining::Descendants,
            terminal_place: TerminalPlace::Elsewhere,
        };
        loop {
            match wait_child(None, WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((pid, status))) => reaped.note(child.as_deref_mut(), pid, status),
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    reaped.remaining = Remaining::Nothing;
                    break;
                }
            }
        }
        reaped
    }

    fn note(&mut self, child: Option<&mut Child>, pid: Pid, status: process::ExitStatus) {
        let Some(child) = child.filter(|child| child.pid == pid) else {
            if status.stopped_signal().is_none() {
                self.others.push((pid, exit_status(status)));
            }
            return;
        };
        match status.stopped_signal().and_then(Signal::from_number) {
            Some(signal) => {
                child.is_paused = true;
                self.paused = Some(signal);
            }
            None => {
                self.ended = exit_status(status);
                self.paused = None;
            }
        }
    }
}

/// A signal to a process that is gone is no error: its `CHLD` is pending.
fn ignore_missing(error: io::Error) -> io::Result<()> {
    if Errno::from_io_error(&error) == Some(Errno::SRCH) {
        Ok(())
    } else {
        Err(error)
    }
}

fn start_failure(error: &SpawnError) -> StartFailure {
    let errno = |error: &io::Error| error.raw_os_error().unwrap_or(0);
    match error {
        SpawnError::Fork(error) => StartFailure::System(errno(error)),
        SpawnError::Exec(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                StartFailure::NotFound(errno(error))
            }
            _ => StartFailure::NotExecutable(errno(error)),
        },
    }
}
