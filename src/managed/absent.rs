//! Takes the place of the managed application in a build without the feature `managed`. Such an
//! application never exists then: `exitdir-run` refuses the options that ask for it.

pub(crate) mod spec;
pub(crate) mod update;

use crate::duration::Limit;
use crate::exit::ExitStatus;
use crate::store::exit_dir::ExitDir;
use crate::sys::signals::Signals;
use rustix::process::Pid;
use spec::ManagedSpec;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::time::Instant;
use update::ManagedUpdate;

const REFUSAL: &str = "this exitdir was built without configuration and activation: \
                       --config, --config-tar and --active-while do not work";

pub(crate) mod debounce {
    use std::time::Duration;

    /// There are no changes to wait for.
    pub(crate) const DEBOUNCE_LIMIT: Duration = Duration::ZERO;
}

/// No value of this type exists.
pub(crate) struct ManagedApp<'p> {
    never: Infallible,
    spec: PhantomData<&'p ManagedSpec>,
}

impl<'p> ManagedApp<'p> {
    /// # Errors
    /// Always.
    pub(crate) fn prepare(
        _: &'p ManagedSpec,
        _: Option<&'p ExitDir>,
        _: Option<Limit>,
    ) -> Result<ManagedApp<'p>, String> {
        Err(REFUSAL.to_owned())
    }

    pub(crate) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        match self.never {}
    }

    pub(crate) fn deadline(&self, _: bool) -> Option<Instant> {
        match self.never {}
    }

    pub(crate) fn poll(&mut self, _: &Signals, _: bool) -> ManagedUpdate {
        match self.never {}
    }

    pub(crate) fn poll_before_start(&mut self, _: Instant) -> (ManagedUpdate, bool) {
        match self.never {}
    }

    pub(crate) fn is_complete(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn missing(&self) -> String {
        match self.never {}
    }

    pub(crate) fn is_reading(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn helpers(&self) -> [Option<Pid>; 2] {
        match self.never {}
    }

    pub(crate) fn reaped(&mut self, _: Pid, _: Option<ExitStatus>) {
        match self.never {}
    }

    pub(crate) fn close_later(&mut self) {
        match self.never {}
    }
}
