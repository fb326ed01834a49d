//! What a source has learned.

/// What one poll of a source found.
#[derive(Debug, Default)]
pub(crate) struct ReadinessUpdate {
    /// The command has become ready.
    pub(crate) is_ready: bool,
    /// The newest status that the command has reported.
    pub(crate) status: Option<String>,
    pub(crate) warning: Option<String>,
    /// The source stopped at a limit, and the next poll may find more at once.
    pub(crate) has_more: bool,
}
