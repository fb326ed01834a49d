//! What a source is told when it is polled, and what the poll has found.

/// Whether the command still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandPhase {
    Running,
    /// It has ended. What it has said before is read now or never.
    Ended,
}

/// What one poll of a source found.
#[derive(Debug, Default)]
pub(crate) struct ReadinessUpdate {
    /// The command has become ready.
    pub(crate) is_ready: bool,
    /// The newest status text that the command has sent.
    pub(crate) status: Option<String>,
    pub(crate) warning: Option<String>,
    /// The source stopped reading at its limit, so the next poll may find more at once.
    pub(crate) has_more: bool,
}
