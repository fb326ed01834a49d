//! Waiting for conditions: a follower, a ballot, and a poll loop around them.
//!
//! This is what `exitdir-wait` does, and what [`ExitDir::watch`] gives to programs.

use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Evaluator, Match, Mode, Terms, Verdict};
use crate::protocol::name::Name;
use crate::signal::Signal;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll;
use crate::sys::signals::Signals;
use crate::watch::dir_watch::{self, WatchFault};
use crate::watch::tracker::Tracker;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) mode: Mode,
    pub(crate) keep_waiting: bool,
    /// A death counts only when its exit code is known.
    pub(crate) need_code: bool,
    /// Whose tombstone `:STATE` passes over.
    pub(crate) own: Option<Name>,
    pub(crate) poll: Option<Limit>,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    Holds(Vec<Match>),
    Impossible,
    TimedOut,
    Signal(Signal),
}

/// What whoever waits does about things on the way.
#[derive(Clone, Copy)]
pub(crate) struct WaitHooks {
    /// Tells people something, if there is going to be a wait at all.
    pub(crate) warn: fn(String),
    /// Whether a signal ends the wait.
    pub(crate) ends: fn(Signal) -> bool,
}

/// One wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    follower: Tracker,
    ballot: Evaluator,
    /// What people should be told, each once.
    warnings: Vec<String>,
    warned: BTreeSet<String>,
}

impl Waiter {
    /// Looks can be taken at once; to be told of changes it must be armed.
    pub(crate) fn new(request: &Request) -> Waiter {
        let names: Vec<Name> = request
            .conditions
            .iter()
            .filter_map(|condition| condition.name.clone())
            .collect();
        let everybody = request
            .conditions
            .iter()
            .any(|condition| condition.name.is_none());
        // A condition that names us means us, and then our own tombstone must be looked at.
        let own = request.own.as_ref().filter(|own| !names.contains(own));
        let follower = Tracker::new(&names, everybody, own, request.poll);
        let terms = Terms {
            mode: request.mode,
            keep_waiting: request.keep_waiting,
            need_code: request.need_code,
        };
        let ballot = Evaluator::new(&request.conditions, terms, request.own.as_ref());
        Waiter {
            follower,
            ballot,
            warnings: Vec::new(),
            warned: BTreeSet::new(),
        }
    }

    /// Begins to be told of changes. Look once more before sleeping.
    fn arm(&mut self, dir: &ExitDir) -> Result<(), Error> {
        match self.follower.arm(dir) {
            Some(WatchFault::DirectoryGone) => {
                return Err(Error::DirectoryGone(dir.path().to_owned()));
            }
            Some(WatchFault::NoInotify(errno)) => self.warn(dir_watch::no_inotify(errno)),
            Some(WatchFault::DirectoryBack) | None => {}
        }
        Ok(())
    }

    /// Keeps a warning for [`Waiter::take_warnings`], unless it was kept before.
    fn warn(&mut self, warning: String) {
        if !self.warned.contains(&warning) {
            self.warned.insert(warning.clone());
            self.warnings.push(warning);
        }
    }

    /// What people should be told and were not told before.
    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Looks at what may have changed.
    pub(crate) fn look(&mut self, dir: &ExitDir) -> Result<Verdict, Error> {
        let look = self.follower.look(dir);
        if look.trouble == Some(WatchFault::DirectoryGone) {
            return Err(Error::DirectoryGone(dir.path().to_owned()));
        }
        if let Some(WatchFault::NoInotify(errno)) = look.trouble {
            self.warn(dir_watch::no_inotify(errno));
        }
        if let Some(error) = look.errors.into_iter().next() {
            return Err(error);
        }
        look.blemishes
            .iter()
            .for_each(|error| self.warn(error.to_string()));
        self.ballot.observe(&look.news);
        Ok(self.ballot.verdict())
    }

    /// What does not hold, and what is there instead.
    pub(crate) fn explain(&self) -> String {
        self.ballot.explain()
    }

    /// Blocks until the conditions hold, or never will, or the time is over, or a signal comes that ends it.
    pub(crate) fn wait(
        &mut self,
        dir: &ExitDir,
        timeout: Limit,
        signals: Option<&Signals>,
        customs: WaitHooks,
    ) -> Result<WaitOutcome, Error> {
        let deadline = timeout.deadline(Instant::now());
        // What holds already, or is only to be asked once, needs no watch.
        if let Some(outcome) = self.outcome(dir, deadline)? {
            return Ok(outcome);
        }
        self.arm(dir)?;
        loop {
            if let Some(outcome) = self.outcome(dir, deadline)? {
                if outcome != WaitOutcome::TimedOut {
                    // Somebody waits for the end of this wait.
                    self.follower.close_later();
                }
                return Ok(outcome);
            }
            self.take_warnings().into_iter().for_each(customs.warn);
            let next = [deadline, self.follower.deadline()]
                .into_iter()
                .flatten()
                .min();
            let changes = self.follower.descriptor();
            let signal = signals.map(|signals| signals.descriptor().as_fd());
            let descriptors = [changes, signal].into_iter().flatten();
            poll::sleep(descriptors.map(poll::readable), next);
            let ending = signals.and_then(|signals| {
                let received = signals.read();
                let mut signals = received.signals().iter().copied();
                signals.find(|signal| (customs.ends)(*signal))
            });
            if let Some(signal) = ending {
                return Ok(WaitOutcome::Signal(signal));
            }
        }
    }

    /// How the wait ends, if it does after one more look.
    fn outcome(
        &mut self,
        dir: &ExitDir,
        deadline: Option<Instant>,
    ) -> Result<Option<WaitOutcome>, Error> {
        Ok(match self.look(dir)? {
            Verdict::Holds(deciders) => Some(WaitOutcome::Holds(deciders)),
            Verdict::Impossible => Some(WaitOutcome::Impossible),
            Verdict::Open => deadline
                .is_some_and(|at| at <= Instant::now())
                .then_some(WaitOutcome::TimedOut),
        })
    }
}

/// A wait for conditions, in the hands of a program.
///
/// Register [`Watch::as_fd`] in an event loop and call [`Watch::look`] when it is readable, or block in
/// [`Watch::wait`].
#[derive(Debug)]
pub struct Watch<'d> {
    dir: &'d ExitDir,
    vigil: Waiter,
    epoll: OwnedFd,
    timer: OwnedFd,
}

impl ExitDir {
    /// Begins to watch for conditions, all of which must hold; none means `:died`, the death of
    /// anybody but `$EXITDIR_NAME`.
    /// What holds already is found by the first [`Watch::look`]. The directory is created if it is missing.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be created, or no descriptor is left for the watch.
    pub fn watch(&self, conditions: &[Condition]) -> Result<Watch<'_>, Error> {
        self.create()?;
        let anybody = [Condition {
            name: None,
            state: crate::protocol::state::State::Died,
        }];
        let conditions = if conditions.is_empty() {
            &anybody[..]
        } else {
            conditions
        };
        let request = Request {
            conditions: conditions.to_vec(),
            mode: Mode::All,
            keep_waiting: false,
            need_code: false,
            own: std::env::var_os("EXITDIR_NAME").and_then(|name| Name::new(name.to_str()?)),
            poll: None,
        };
        let mut vigil = Waiter::new(&request);
        vigil.arm(self)?;
        Watch::begin(self, vigil).map_err(|errno| Error::io("watch", self.path(), errno))
    }
}

impl<'d> Watch<'d> {
    fn begin(dir: &'d ExitDir, vigil: Waiter) -> Result<Watch<'d>, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        epoll::add(&epoll, &timer, EventData::new_u64(0), EventFlags::IN)?;
        if let Some(inotify) = vigil.follower.descriptor() {
            epoll::add(&epoll, inotify, EventData::new_u64(1), EventFlags::IN)?;
        }
        let watch = Watch {
            dir,
            vigil,
            epoll,
            timer,
        };
        // The first look is due at once.
        watch.arm_timer(Duration::from_nanos(1))?;
        Ok(watch)
    }

    /// Looks at what may have changed. Never blocks.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory or a tombstone cannot be read, [`Error::DirectoryGone`] if the
    /// directory was removed or replaced: then begin a new watch.
    pub fn look(&mut self) -> Result<Verdict, Error> {
        let mut ticks = [0_u8; 8];
        // How often the timer ran out does not matter; AGAIN means that it did not.
        let _ = rustix::io::read(&self.timer, &mut ticks);
        let verdict = self.vigil.look(self.dir);
        if let Some(next) = self.vigil.follower.deadline() {
            let pause = next
                .saturating_duration_since(Instant::now())
                .max(Duration::from_nanos(1));
            self.arm_timer(pause)
                .map_err(|errno| Error::io("watch", self.dir.path(), errno))?;
        }
        verdict
    }

    /// Blocks until the conditions hold or never will; [`Verdict::Open`] after the timeout (`None`: no timeout).
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Verdict, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let verdict = self.look()?;
            if verdict != Verdict::Open || deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(verdict);
            }
            poll::sleep([poll::readable(self.epoll.as_fd())], deadline);
        }
    }

    fn arm_timer(&self, pause: Duration) -> Result<(), Errno> {
        let once = Itimerspec {
            it_interval: poll::timespec(Duration::ZERO),
            it_value: poll::timespec(pause),
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).map(|_| ())
    }
}

impl AsFd for Watch<'_> {
    /// Readable whenever [`Watch::look`] should be called.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
