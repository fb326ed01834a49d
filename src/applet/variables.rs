//! The variables that configure applets: read once from the environment, and kept from the command.
//! What their values mean is for each applet.

use crate::run::plan::ExitDirOptions;
use crate::sys::environment;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// What the variables of exitdir's options begin with.
pub(super) const PREFIX: &str = "EXITDIR_";
/// What the variables of the program kubexit begin with.
pub(super) const KUBEXIT_PREFIX: &str = "KUBEXIT_";
const PREFIXES: [&str; 3] = [DIR_VARIABLE, PREFIX, KUBEXIT_PREFIX];

/// The exit directory.
pub(super) const DIR_VARIABLE: &str = "EXIT_DIR";
/// The entry of the environment that switches names off.
const NAMES_OFF: &[u8] = b"EXIT_DIR=";
/// The name of a life: of the one that an exitdir-run begins, or of the one that an applet is
/// called in.
pub(super) const NAME_VARIABLE: &str = "EXITDIR_NAME";
/// The same for kubexit.
pub(super) const KUBEXIT_NAME_VARIABLE: &str = "KUBEXIT_NAME";
/// The name of the life that a process is supervised in. exitdir-run sets it for CMD.
const SUPERVISED: &str = "EXITDIR_SUPERVISED";

/// Variables that no option reads, and that programs below an exitdir-run may have.
pub(super) const READ_BY_OTHERS: [&str; 4] = [
    SUPERVISED,
    "EXITDIR_STATUS",
    "EXITDIR_REASON",
    "EXITDIR_CAUSE",
];

/// The variables that are set, with their values. An empty variable counts as unset.
#[derive(Debug)]
pub(super) struct Variables<'e> {
    set: Vec<(&'e str, &'e OsStr)>,
    /// `EXIT_DIR` is set and empty.
    pub(super) switches_names_off: bool,
}

impl<'e> Variables<'e> {
    /// Those in the environment of this process.
    pub(super) fn read() -> Variables<'static> {
        Variables::of(environment::entries().map(CStr::to_bytes))
    }

    /// Those among entries `NAME=VALUE`.
    pub(super) fn of(entries: impl Iterator<Item = &'e [u8]>) -> Variables<'e> {
        let mut variables = Variables {
            set: Vec::new(),
            switches_names_off: false,
        };
        for entry in entries {
            variables.switches_names_off |= entry == NAMES_OFF;
            variables.set.extend(name_and_value(entry));
        }
        variables
    }

    /// The first whose name is meant.
    pub(super) fn find(&self, is_meant: impl Fn(&str) -> bool) -> Option<(&'e str, &'e OsStr)> {
        self.set.iter().copied().find(|(name, _)| is_meant(name))
    }

    /// Drops what names or configures the life that this process is already supervised in: a
    /// supervisor below another one has a life of its own, or none. kubexit's variables all reach
    /// the command, so all of them belong to the kubexit that they name.
    pub(super) fn without_supervisor(mut self) -> Variables<'e> {
        let Some((_, name)) = self.find(|name| name == SUPERVISED) else {
            return self;
        };
        self.set
            .retain(|variable| *variable != (NAME_VARIABLE, name));
        if self.set.contains(&(KUBEXIT_NAME_VARIABLE, name)) {
            self.set
                .retain(|(name, _)| !name.starts_with(KUBEXIT_PREFIX));
        }
        self
    }

    /// Whether one of them names a life.
    pub(super) fn has_name(&self) -> bool {
        let is_name = |name: &str| [NAME_VARIABLE, KUBEXIT_NAME_VARIABLE].contains(&name);
        self.find(is_name).is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'e str> {
        self.set.iter().map(|(name, _)| *name)
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

/// Whether this process was started with one of tini's variables, and what that means for
/// exitdir-run.
pub(super) fn tini_notice() -> Option<String> {
    let is_of_tini = |entry: &&CStr| {
        let names = [
            "TINI_SUBREAPER=",
            "TINI_KILL_PROCESS_GROUP=",
            "TINI_VERBOSITY=",
        ];
        names
            .iter()
            .any(|name| entry.to_bytes().starts_with(name.as_bytes()))
    };
    environment::entries().find(is_of_tini).map(|_| {
        "TINI_ variables have no effect on exitdir-run: use -s, -g, -v, or call it tini".to_owned()
    })
}

/// Makes the environment of this process that of the command, of probes and of checks. The options
/// of exitdir-run are not in it, because they would configure another exitdir-run in the command
/// too. The exit directory and the name that are in force are.
///
/// Without a name, the command belongs to the life that this process is supervised in, if any.
pub(super) fn pass_on(options: Option<&ExitDirOptions>) {
    let dir = options.map(|options| options.dir.path().as_os_str());
    let name = options.and_then(|options| options.name.as_ref());
    let name = name.map(|name| OsStr::new(name.as_str()));
    let set = [
        (DIR_VARIABLE, dir),
        (NAME_VARIABLE, name),
        (SUPERVISED, name),
    ];
    let added = set.iter().filter_map(|(variable, value)| {
        let entry = [variable.as_bytes(), b"=", (*value)?.as_bytes(), b"\0"].concat();
        // No argument and no variable has a NUL byte in it.
        CString::from_vec_with_nul(entry).ok()
    });
    let is_kept = |entry: &[u8]| {
        let end = entry.iter().position(|byte| *byte == b'=');
        let variable = entry.get(..end.unwrap_or(entry.len())).unwrap_or_default();
        let own = set.iter().find(|(own, _)| own.as_bytes() == variable);
        let is_option = || variable.starts_with(PREFIX.as_bytes());
        let is_of_service = || std::str::from_utf8(variable).is_ok_and(is_of_service);
        own.map_or_else(
            || !is_option() || is_of_service(),
            |(_, value)| value.is_none(),
        )
    };
    environment::replace(is_kept, added);
}

/// Whether Kubernetes makes such a variable for a Service called `exitdir` or `exitdir-x`:
/// `EXITDIR_PORT`, `EXITDIR_X_SERVICE_HOST`, `EXITDIR_PORT_80_TCP_ADDR`.
pub(super) fn is_of_service(name: &str) -> bool {
    let has = |part: &str| {
        name.as_bytes()
            .windows(part.len())
            .any(|at| at == part.as_bytes())
    };
    name.ends_with("_PORT") || has("_PORT_") || has("_SERVICE_")
}

#[cfg(test)]
mod tests {
    use super::*;

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
