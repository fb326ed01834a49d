//! What one poll of the managed application found.

/// What changed, and what the caller logs.
#[derive(Debug, Default)]
pub(crate) struct ManagedUpdate {
    /// Whether the command may run, if that changed.
    pub(crate) active: Option<bool>,
    /// A new configuration was installed.
    pub(crate) reconfigured: bool,
    /// Sentences to write each time.
    pub(crate) warnings: Vec<String>,
    /// Sentences to write only the first time.
    pub(crate) warnings_once: Vec<String>,
    /// Changed paths, for the verbose log.
    pub(crate) details: Vec<String>,
}
