//! The processes that a command leaves when it ends: the orphans, whose parent is this process now,
//! and their children when these become orphans too. Finds and signals them.

use crate::error::describe;
use crate::signal::Signal;
use crate::sorted::SortedSet;
use crate::sys::process::{SignalTarget, kill};
use crate::sys::read::read_text;
use rustix::io::Errno;
use rustix::process::{Pid, RawPid, getpid};

/// The children of the only thread of this process (proc(5)). A child keeps its number until this
/// process reaps it, so no number in this list can belong to an unrelated process.
const CHILDREN: &str = "/proc/thread-self/children";
/// A link to the number of this process in the PID namespace for which `/proc` was mounted.
const SELF: &str = "/proc/self";

/// A stop of all descendants, each with the same signal.
#[derive(Debug)]
pub(crate) struct Descendants {
    signal: Signal,
    signalled: SortedSet<RawPid>,
}

impl Descendants {
    /// A stop that has signalled no process yet.
    pub(crate) fn new(signal: Signal) -> Descendants {
        Descendants {
            signal,
            signalled: SortedSet::default(),
        }
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    /// Whether this process may have children besides its helpers. True where the list of children
    /// cannot be read.
    pub(crate) fn exist_besides(helpers: &[Pid]) -> bool {
        let children = children().unwrap_or_default();
        children.is_empty() || children.iter().any(|pid| !helpers.contains(pid))
    }

    /// Sends the signal to all children that have not got it yet.
    ///
    /// # Errors
    /// A sentence that says why the children cannot be found.
    pub(crate) fn signal_new(&mut self) -> Result<(), String> {
        let children = children().map_err(|why| {
            format!("cannot find processes left by the command: {CHILDREN}: {why}")
        })?;
        for pid in children {
            if self.signalled.insert(pid.as_raw_pid()) {
                // A process that may not be signalled (a set-uid program) is waited for all the
                // same.
                let _ = kill(pid, SignalTarget::Process, self.signal);
                if self.signal != Signal::KILL {
                    // A stopped process would not get the signal, as with the command.
                    let _ = kill(pid, SignalTarget::Process, Signal::CONT);
                }
            }
        }
        Ok(())
    }

    /// Forgets a process that was reaped: another one can get its number.
    pub(crate) fn forget(&mut self, pid: Pid) {
        self.signalled.remove(&pid.as_raw_pid());
    }
}

/// How many processes a message names.
const NAMED: usize = 5;

/// The children of this process, for a message: the names of the first ones, with their ids.
pub(crate) fn describe_children() -> String {
    let children = children().unwrap_or_default();
    let name = |pid: &Pid| {
        let pid = pid.as_raw_pid();
        let name = read_text(&format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{} ({pid})", name.trim_end())
    };
    let mut named: Vec<String> = children.iter().take(NAMED).map(name).collect();
    if children.len() > NAMED {
        named.push(format!("and {} more", children.len() - NAMED));
    }
    named.join(", ")
}

/// The children of this process.
///
/// # Errors
/// Why they cannot be found.
pub(super) fn children() -> Result<Vec<Pid>, String> {
    let failed = |errno: Errno| describe(&errno.into());
    let own = rustix::fs::readlink(SELF, Vec::new()).map_err(failed)?;
    if own.to_str().ok().and_then(parse) != Some(getpid()) {
        // Its numbers name other processes here.
        return Err("/proc belongs to another PID namespace".to_owned());
    }
    read_pids(CHILDREN).map_err(failed)
}

/// The children of the first thread of another process, where [`children`] can be read.
pub(super) fn children_of(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_pid();
    // It may have ended.
    read_pids(&format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
}

fn read_pids(path: &str) -> Result<Vec<Pid>, Errno> {
    let list = read_text(path)?;
    Ok(list.split_ascii_whitespace().filter_map(parse).collect())
}

fn parse(word: &str) -> Option<Pid> {
    let number = word.parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw)
}
