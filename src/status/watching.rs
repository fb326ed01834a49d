//! `exitdir-status --watch`: shows what happens as soon as it is seen.

use super::output::{Output, stdout};
use super::selection::shows;
use super::timeline::{Redrawing, Style};
use super::transition::Transitions;
use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::evaluator::Mode;
use crate::protocol::item::Item;
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::sys::signals::Signals;
use crate::watch::scanning::Observer;
use crate::watch::wait_loop::{Wait, WaitHooks, WaitOutcome};
use crate::watch::waiter::{Others, WaitRequest};
use std::os::fd::BorrowedFd;
use std::time::{Instant, SystemTime};

/// What to watch, and for how long.
pub(crate) struct WatchPlan {
    /// All names, if there are none.
    pub(crate) names: Vec<Name>,
    /// The watch ends when these hold; it goes on if there are none.
    pub(crate) until: Vec<Item>,
    /// The name that `:STATE` ignores.
    pub(crate) own: Option<Name>,
    /// Draws the timeline; `None` for one line for each transition.
    pub(crate) timeline: Option<Style>,
}

/// Shows transitions until the conditions hold or can no longer hold, or a signal ends it. Returns
/// the outcome, and which conditions do not hold.
///
/// # Errors
/// [`Error::Io`] if the directory cannot be read or a line cannot be written, and
/// [`Error::DirectoryGone`].
pub(crate) fn watch(
    dir: &ExitDir,
    plan: &WatchPlan,
    signals: Option<&Signals>,
    hooks: WaitHooks,
) -> Result<(WaitOutcome, String), Error> {
    let (names, output) = (plan.names.as_slice(), Output::new(signals));
    let Some(style) = plan.timeline else {
        let mut lines = Lines {
            names,
            transitions: Transitions::default(),
            output,
        };
        return observe(dir, plan, signals, hooks, &mut lines);
    };
    let mut timeline = Redrawing::new(names, style, output);
    let ended = observe(dir, plan, signals, hooks, &mut timeline)?;
    // A signal may have ended a write, whose reader is not waited for again.
    if !matches!(ended.0, WaitOutcome::Signal(_)) {
        timeline.finish()?;
    }
    Ok(ended)
}

fn observe(
    dir: &ExitDir,
    plan: &WatchPlan,
    signals: Option<&Signals>,
    hooks: WaitHooks,
    observer: &mut dyn Observer,
) -> Result<(WaitOutcome, String), Error> {
    // A wait for names alone would find a missing directory empty.
    let examined = dir.identity();
    examined.map_err(|errno| Error::io("read", dir.path(), errno))?;
    let request = request(plan);
    let wait = Wait::new(Some(dir), &request, Limit::Never, signals, hooks);
    let mut wait = wait.observed_by(observer);
    let outcome = wait.run()?;
    let why = match outcome {
        WaitOutcome::Impossible => wait.explain(),
        _ => String::new(),
    };
    if !matches!(outcome, WaitOutcome::Signal(_)) {
        wait.close();
    }
    Ok((outcome, why))
}

fn request(plan: &WatchPlan) -> WaitRequest {
    let is_endless = plan.until.is_empty();
    WaitRequest {
        items: plan.until.clone(),
        // Of no conditions, all hold.
        mode: if is_endless { Mode::Any } else { Mode::All },
        keep_waiting: is_endless,
        need_code: false,
        own: plan.own.clone(),
        poll: None,
        others: match plan.names.as_slice() {
            [] => Others::All,
            names => Others::Names(names.to_vec()),
        },
    }
}

/// Prints lines.
struct Lines<'w> {
    names: &'w [Name],
    transitions: Transitions,
    output: Output<'w>,
}

impl Observer for Lines<'_> {
    fn take(&mut self, observation: &Observation) {
        if shows(self.names, &observation.name) {
            let now = SystemTime::now();
            self.output.push(&self.transitions.lines(observation, now));
        }
    }

    fn end_scan(&mut self) -> Result<(), Error> {
        self.transitions.end_scan();
        self.output.flush()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        stdout()
    }
}
