//! What a command leaves behind: the orphans that are our children now, and their children when these
//! become ours. Finds and signals them; when to do so is decided elsewhere.

use crate::signal::Signal;
use crate::sys::process::{SignalTarget, kill};
use rustix::process::{Pid, RawPid, getpid};
use std::collections::BTreeSet;

/// Children of the only thread that this process has (proc(5)); each is ours until we reap it, so no
/// number on the list can belong to anybody else.
const CHILDREN: &str = "/proc/thread-self/children";
/// Our own number, as whoever mounted `/proc` sees it.
const SELF: &str = "/proc/self";

/// The stop of everything that is left, while it goes on.
#[derive(Debug)]
pub(crate) struct Descendants {
    signal: Signal,
    signalled: BTreeSet<RawPid>,
}

impl Descendants {
    /// Nobody has got this signal yet.
    pub(crate) fn new(signal: Signal) -> Descendants {
        Descendants {
            signal,
            signalled: BTreeSet::new(),
        }
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    /// Whether anybody is left beside these helpers of ours, as far as that can be found out.
    pub(crate) fn exist_besides(helpers: &[Pid]) -> bool {
        let list = children().unwrap_or_default();
        let mut pids = list.split_ascii_whitespace().filter_map(parse);
        list.is_empty() || pids.any(|pid| !helpers.contains(&pid))
    }

    /// Sends the signal to all children that have not got it.
    ///
    /// # Errors
    /// The sentence that says why they cannot be found.
    pub(crate) fn signal_new(&mut self) -> Result<(), String> {
        let list = children().map_err(|why| {
            format!("cannot find what the command left behind: {CHILDREN}: {why}")
        })?;
        for pid in list.split_ascii_whitespace().filter_map(parse) {
            if self.signalled.insert(pid.as_raw_pid()) {
                // That it may not be signalled (a set-uid program) is no reason not to wait for it.
                let _ = kill(pid, SignalTarget::Process, self.signal);
                if self.signal != Signal::KILL {
                    // As with the command: what was stopped would never get it.
                    let _ = kill(pid, SignalTarget::Process, Signal::CONT);
                }
            }
        }
        Ok(())
    }

    /// A number that was reaped can be given to another process.
    pub(crate) fn forget(&mut self, pid: Pid) {
        self.signalled.remove(&pid.as_raw_pid());
    }
}

fn children() -> Result<String, String> {
    let own = std::fs::read_link(SELF);
    let own = own.map_err(|error| crate::error::describe(&error))?;
    if own.to_str().and_then(parse) != Some(getpid()) {
        // Its numbers are other people's here.
        return Err("/proc is another PID namespace's".to_owned());
    }
    std::fs::read_to_string(CHILDREN).map_err(|error| crate::error::describe(&error))
}

fn parse(word: &str) -> Option<Pid> {
    let number = word.parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw)
}
