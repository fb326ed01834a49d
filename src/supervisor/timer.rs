//! The timers of the state machine.

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// `--birth-timeout`.
    Birth,
    /// Time to say what is being waited for. It may come late.
    Notice,
    /// `--timeout`.
    Run,
    /// The command has run for long enough to be trusted again.
    Steady,
    /// `--stop-delay`.
    Delay,
    /// `--grace-period`.
    Grace,
    /// Time to look for orphans that came late.
    Pass,
    /// Until the command is started again. What has happened before is fed before.
    Backoff,
}
