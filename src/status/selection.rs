//! Which names are shown. Pure.

use crate::error::escaped;
use crate::protocol::name::Name;

/// Whether a name is among those that were asked for: all are, if there are none.
pub(super) fn shows(names: &[Name], name: &Name) -> bool {
    names.is_empty() || names.contains(name)
}

/// The sentence about a name without a tombstone that was asked for.
pub(super) fn not_found(name: &Name) -> String {
    // A name of kubexit can have a colon.
    let hint = match name.as_str().contains(':') {
        true => ": give a NAME without a state",
        false => "",
    };
    let name = escaped(name.as_str());
    format!("no tombstone has the name {name}{hint}")
}
