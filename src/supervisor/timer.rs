//! The timers of the state machine.

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// `--birth-timeout`.
    BirthTimeout,
    /// Time to say what is being waited for. It may come late.
    WaitNotice,
    /// `--timeout`.
    RunTimeout,
    /// The command has run for long enough to be trusted again.
    SteadyRun,
    /// `--stop-delay`.
    StopDelay,
    /// `--grace-period`.
    GracePeriod,
    /// Time to look for orphans that came late.
    OrphanScan,
    /// Until the command is started again. What has happened before is fed before.
    Backoff,
}
