//! The variables that configure applets: read once from the environment. What their values mean is
//! for each applet.

use crate::sys::environment;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

/// What the variables of exitdir's options begin with.
pub(super) const PREFIX: &str = "EXITDIR_";
/// What the variables of the program kubexit begin with.
pub(super) const KUBEXIT_PREFIX: &str = "KUBEXIT_";
const PREFIXES: [&str; 3] = ["EXIT_DIR", PREFIX, KUBEXIT_PREFIX];

/// The name of the life that a process is supervised in.
pub(super) const SUPERVISED: &str = "EXITDIR_SUPERVISED";

/// The variables that are set, with their values. An empty variable counts as unset.
#[derive(Debug)]
pub(super) struct Variables<'e>(Vec<(&'e str, &'e OsStr)>);

impl<'e> Variables<'e> {
    /// Those in the environment of this process.
    pub(super) fn read() -> Variables<'static> {
        Variables::of(environment::entries().map(CStr::to_bytes))
    }

    /// Those among entries `NAME=VALUE`.
    pub(super) fn of(entries: impl Iterator<Item = &'e [u8]>) -> Variables<'e> {
        Variables(entries.filter_map(name_and_value).collect())
    }

    /// The first whose name is meant.
    pub(super) fn find(&self, is_meant: impl Fn(&str) -> bool) -> Option<(&'e str, &'e OsStr)> {
        self.0.iter().copied().find(|(name, _)| is_meant(name))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'e str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

fn name_and_value(entry: &[u8]) -> Option<(&str, &OsStr)> {
    PREFIXES
        .iter()
        .find(|prefix| entry.starts_with(prefix.as_bytes()))?;
    let end = entry.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (entry.get(..end)?, entry.get(end + 1..)?);
    let name = std::str::from_utf8(name).ok()?;
    (!value.is_empty()).then_some((name, OsStr::from_bytes(value)))
}

/// Whether Kubernetes makes such a variable for a Service called `exitdir` or `exitdir-x`:
/// `EXITDIR_PORT`, `EXITDIR_X_SERVICE_HOST`, `EXITDIR_PORT_80_TCP_ADDR`.
pub(super) fn is_of_service(name: &str) -> bool {
    name.ends_with("_PORT") || name.contains("_PORT_") || name.contains("_SERVICE_")
}

/// Whether one text becomes the other if one character is inserted, deleted or replaced, or if two
/// neighbours change places.
pub(super) fn is_one_edit(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([a, after_a @ ..], [b, after_b @ ..]) = (one, other)
        && a == b
    {
        (one, other) = (after_a, after_b);
    }
    while let ([before_a @ .., a], [before_b @ .., b]) = (one, other)
        && a == b
    {
        (one, other) = (before_a, before_b);
    }
    match (one, other) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_an_insertion_a_deletion_a_replacement_or_two_neighbours_that_change_places() {
        for (one, other, expected) in [
            ("DEPS", "DEPS", false),
            ("DEPS", "DEP", true),
            ("DEPS", "EPS", true),
            ("DEPS", "DEEPS", true),
            ("DEPS", "DEPSS", true),
            ("DEPS", "DEPT", true),
            ("DEPS", "KEPS", true),
            ("DEPS", "DPES", true),
            ("DEPS", "DESP", true),
            ("A", "", true),
            ("DEPS", "DE", false),
            ("DEPS", "DSPE", false),
            ("DEPS", "SEPD", false),
            ("DEPS", "TEPT", false),
            ("AB", "BAC", false),
        ] {
            assert_eq!(is_one_edit(one, other), expected, "{one} {other}");
            assert_eq!(is_one_edit(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn kubernetes_makes_variables_for_services() {
        for (name, expected) in [
            ("EXITDIR_PORT", true),
            ("EXITDIR_PORT_80_TCP_ADDR", true),
            ("EXITDIR_SERVICE_HOST", true),
            ("EXITDIR_X_SERVICE_PORT_HTTP", true),
            ("EXITDIR_POLL", false),
            ("EXITDIR_PORTS", false),
            ("EXITDIR_SERVICE", false),
        ] {
            assert_eq!(is_of_service(name), expected, "{name}");
        }
    }

    #[test]
    fn variables_are_those_of_the_applets_that_are_not_empty() {
        let entries = [
            "EXIT_DIR=/a=b",
            "EXITDIR_NAME=",
            "PATH=/bin",
            "EXITDIR_POLL=1s",
            "EXITDIR_",
        ];
        let variables = Variables::of(entries.iter().map(|entry| entry.as_bytes()));
        assert_eq!(
            variables.names().collect::<Vec<_>>(),
            ["EXIT_DIR", "EXITDIR_POLL"]
        );
        let value = variables.find(|name| name == "EXIT_DIR");
        assert_eq!(value, Some(("EXIT_DIR", OsStr::new("/a=b"))));
    }
}
