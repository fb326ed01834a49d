//! Which names are shown. Pure.

use crate::protocol::name::Name;

/// Whether a name is among those that were asked for: all are, if there are none.
pub(super) fn shows(names: &[Name], name: &Name) -> bool {
    names.is_empty() || names.contains(name)
}
