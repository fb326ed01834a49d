//! Waits for conditions: a tracker and an evaluator. The loop around them is
//! [`super::pollable::Watch`], or that of `exitdir-wait` in `wait_loop.rs`.

use super::dir_watch::{self, WatchFault};
use super::scanning::{ScanResult, ScanSink};
use super::tracker::Tracker;
use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::item::{Item, names, parts};
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
use crate::protocol::source::Source;
use crate::sorted::SortedSet;
use crate::store::exit_dir::ExitDir;

/// What to wait for.
#[derive(Clone, Debug)]
pub(crate) struct WaitRequest {
    pub(crate) items: Vec<Item>,
    pub(crate) mode: Mode,
    pub(crate) keep_waiting: bool,
    /// A death counts only once its exit code is known.
    pub(crate) need_code: bool,
    /// The name whose tombstone `:STATE` ignores.
    pub(crate) own: Option<Name>,
    pub(crate) poll: Option<Limit>,
    pub(crate) others: Others,
}

/// The lives that are tracked beside those of the conditions.
#[derive(Clone, Debug)]
pub(crate) enum Others {
    None,
    Names(Vec<Name>),
    /// The own one too.
    All,
}

/// One wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(super) tracker: Tracker,
    pub(super) evaluator: Evaluator,
    /// Warnings that were not reported yet.
    pub(super) warnings: Vec<String>,
    /// Notices about files that decide conditions. They are reported even if the wait ends at once.
    pub(super) notices: Vec<String>,
    /// All warnings so far: each is reported once.
    warned: SortedSet<String>,
}

impl Waiter {
    /// It can check at once. Arm it before sleeping.
    pub(crate) fn new(request: &WaitRequest) -> Waiter {
        let items = &request.items;
        let mut names: Vec<Name> = names(items).cloned().collect();
        let mut lives = parts(items).filter_map(|part| part.life());
        let mut all_names = lives.any(|condition| condition.name.is_none());
        let mut own = request.own.as_ref();
        match &request.others {
            Others::None => {}
            Others::Names(others) => names.extend(others.iter().cloned()),
            Others::All => (all_names, own) = (true, None),
        }
        // A condition that names us is about our own tombstone, which must be read then.
        own = own.filter(|own| !names.contains(own));
        let terms = Terms {
            mode: request.mode,
            keep_waiting: request.keep_waiting,
            need_code: request.need_code,
        };
        let mut tracker = Tracker::new(&names, all_names, own, request.poll);
        if !matches!(request.others, Others::None) {
            tracker.watch.report_removals();
        }
        Waiter {
            tracker,
            evaluator: Evaluator::new(items, terms, request.own.as_ref()),
            warnings: Vec::new(),
            notices: Vec::new(),
            warned: SortedSet::default(),
        }
    }

    /// Begins to watch. Check once more before sleeping.
    ///
    /// # Errors
    /// [`Error::DirectoryGone`].
    pub(super) fn arm(&mut self, dir: &ExitDir) -> Result<(), Error> {
        let fault = self.tracker.arm(dir);
        self.note_faults(dir, fault)
    }

    fn note_faults(
        &mut self,
        dir: &ExitDir,
        faults: impl IntoIterator<Item = WatchFault>,
    ) -> Result<(), Error> {
        for fault in faults {
            match fault {
                WatchFault::DirectoryGone => {
                    return Err(Error::DirectoryGone(dir.path().to_owned()));
                }
                WatchFault::NoInotify(errno) => self.warn(dir_watch::no_inotify(errno)),
                WatchFault::DirectoryBack => {}
            }
        }
        Ok(())
    }

    /// Keeps a warning to be reported, unless it was kept before.
    fn warn(&mut self, warning: String) {
        if self.warned.insert(warning.clone()) {
            self.warnings.push(warning);
        }
    }

    /// Scans what may have changed. `read_signals` is called again and again if that takes long; it
    /// returns whether the scan goes on. `observe` gets what is found.
    ///
    /// # Errors
    /// [`Error::DirectoryGone`], and [`Error::Io`] for a name that a condition names.
    pub(crate) fn scan(
        &mut self,
        dir: &ExitDir,
        read_signals: &mut dyn FnMut() -> bool,
        observe: &mut dyn FnMut(&Observation),
    ) -> Result<(), Error> {
        let mut sink = WaitSink {
            evaluator: &mut self.evaluator,
            read_signals,
            observe,
        };
        let ScanResult {
            errors,
            other_errors,
            notices,
            faults,
            unread: _, // each has an error
        } = self.tracker.scan(dir, &mut sink);
        self.note_faults(dir, faults)?;
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        for error in other_errors {
            self.warn(error.to_string());
        }
        self.notices.extend(notices);
        Ok(())
    }

    /// Evaluates the conditions after a scan. `answers` is whether a source holds now.
    pub(crate) fn judge(&mut self, answers: &dyn Fn(&Source) -> bool) -> Verdict {
        self.end_scan(answers);
        self.evaluator.verdict()
    }

    /// Ends a scan, so that the evaluator can be asked.
    pub(super) fn end_scan(&mut self, answers: &dyn Fn(&Source) -> bool) {
        self.evaluator.take_sources(answers);
        self.evaluator.end_scan();
    }
}

/// Takes what one scan finds.
struct WaitSink<'s> {
    evaluator: &'s mut Evaluator,
    read_signals: &'s mut dyn FnMut() -> bool,
    observe: &'s mut dyn FnMut(&Observation),
}

impl ScanSink for WaitSink<'_> {
    fn take(&mut self, observation: &Observation) {
        self.evaluator.take(observation);
        (self.observe)(observation);
    }

    fn read_signals(&mut self) -> bool {
        (self.read_signals)()
    }
}
