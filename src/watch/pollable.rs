//! [`Watch`]: a wait for conditions that a program drives from its own event loop.

use super::waiter::{Others, WaitRequest, Waiter};
use crate::error::Error;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Mode, Verdict};
use crate::protocol::item::Item;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll::{self, timespec};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// The shortest pause that arms a timer: zero would disarm it (timerfd_settime(2)).
const SHORTEST_PAUSE: Duration = Duration::from_nanos(1);

/// A wait for conditions.
///
/// Register its descriptor ([`AsFd`], [`AsRawFd`]) for reading in an event loop and call
/// [`Watch::check`] whenever it is readable, or block in [`Watch::wait`]. The descriptor is an
/// epoll instance, so `poll`, `epoll`, mio and tokio's `AsyncFd` accept it, edge-triggered or not.
/// It stays open and the same until the `Watch` is dropped. `examples/mio.rs` and
/// `examples/tokio.rs` show both.
#[derive(Debug)]
pub struct Watch {
    dir: ExitDir,
    waiter: Waiter,
    epoll: OwnedFd,
    timer: OwnedFd,
}

impl ExitDir {
    /// Begins to watch for conditions, all of which must hold. An empty list means `:died`: the
    /// death of any life but `$EXITDIR_NAME`.
    ///
    /// The first [`Watch::check`] finds the conditions that hold already. The directory is created
    /// if it is missing.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be created or no descriptor is left for the watch,
    /// [`Error::DirectoryGone`] if the directory is removed meanwhile.
    pub fn watch(&self, conditions: &[Condition]) -> Result<Watch, Error> {
        self.create()?;
        let mut items: Vec<Item> = conditions.iter().cloned().map(Item::from).collect();
        if items.is_empty() {
            items.push(Item::any_death());
        }
        let mut waiter = Waiter::new(&WaitRequest {
            items,
            mode: Mode::All,
            keep_waiting: false,
            need_code: false,
            own: std::env::var_os("EXITDIR_NAME")
                .and_then(|name| Name::from_file_name(name.to_str()?)),
            poll: None,
            others: Others::None,
        });
        waiter.arm(self)?;
        Watch::new(self.clone(), waiter).map_err(|errno| Error::io("watch", self.path(), errno))
    }
}

impl Watch {
    fn new(dir: ExitDir, waiter: Waiter) -> Result<Watch, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        epoll::add(&epoll, &timer, EventData::new_u64(0), EventFlags::IN)?;
        if let Some(inotify) = waiter.tracker.descriptor() {
            epoll::add(&epoll, inotify, EventData::new_u64(1), EventFlags::IN)?;
        }
        let watch = Watch {
            dir,
            waiter,
            epoll,
            timer,
        };
        // The first check is due at once.
        watch.arm_timer(SHORTEST_PAUSE)?;
        Ok(watch)
    }

    /// Reads the tombstones that may have changed and evaluates the conditions. Never blocks.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory or a tombstone cannot be read, [`Error::DirectoryGone`] if
    /// the directory was removed or replaced. Begin a new watch then.
    pub fn check(&mut self) -> Result<Verdict, Error> {
        let mut expirations = [0_u8; 8];
        // AGAIN means that the timer has not expired. How often it has does not matter.
        let _ = rustix::io::read(&self.timer, &mut expirations);
        let scanned = self.waiter.scan(&self.dir, &mut || true, &mut |_| {});
        if let Some(next) = self.waiter.tracker.deadline() {
            let pause = next.saturating_duration_since(Instant::now());
            self.arm_timer(pause.max(SHORTEST_PAUSE))
                .map_err(|errno| Error::io("watch", self.dir.path(), errno))?;
        }
        // It has no sources.
        scanned.map(|()| self.waiter.judge(&|_| false))
    }

    /// Blocks until the conditions hold or can no longer hold. Returns [`Verdict::Open`] if they do
    /// neither within the timeout. `None` means no timeout.
    ///
    /// # Errors
    /// As [`Watch::check`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Verdict, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let verdict = self.check()?;
            if verdict != Verdict::Open || deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(verdict);
            }
            poll::sleep([poll::readable(self.epoll.as_fd())], deadline);
        }
    }

    fn arm_timer(&self, pause: Duration) -> Result<(), Errno> {
        let once = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: timespec(pause),
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).map(|_| ())
    }
}

impl AsFd for Watch {
    /// Readable whenever [`Watch::check`] should be called.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl AsRawFd for Watch {
    /// As [`Watch::as_fd`].
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}
