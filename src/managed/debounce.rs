//! How long changes are left to settle before they are applied.

use std::time::Duration;

/// Upper bound on debouncing: changes are applied after this long even if writes continue.
pub(crate) const DEBOUNCE_LIMIT: Duration = Duration::from_secs(10);
