//! The timers of the state machine.

/// A timer; there is one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// `--birth-timeout`.
    BirthTimeout,
    /// Time for a notice that says what exitdir-run waits for. It may be late.
    WaitNotice,
    /// Time for a notice that says which death dependencies were never seen. It may be late.
    UnseenNotice,
    /// `--missing-timeout`.
    MissingTimeout,
    /// `--timeout`.
    RunTimeout,
    /// The command has run long enough that its restart need not be delayed.
    SteadyRun,
    /// `--stop-delay`.
    StopDelay,
    /// The time that `--pre-stop` has.
    PreStop,
    /// `--grace-period`.
    GracePeriod,
    /// Time to look for descendants that have become orphans since the last scan.
    OrphanScan,
    /// The processes that a command left behind had this long to end after KILL.
    KillWait,
    /// The delay before the command is started again. It counts from the last start, or from the
    /// last try: only the caller knows how much of it is left. The caller feeds events that
    /// happened before it expires first.
    Backoff,
}
