//! Programs in Python that check manifests. scripts/prepare installs what they import.

use crate::support::requirements::skip;
use crate::support::sandbox::{Sandbox, repository};
use std::process::Command;
use std::sync::OnceLock;

/// The program `tests/it/docs/NAME`. `None` if what it imports is not installed.
pub(super) fn program(sandbox: &Sandbox, name: &str) -> Option<Command> {
    static IS_INSTALLED: OnceLock<bool> = OnceLock::new();
    let python = repository().join("target/python/bin/python");
    let is_installed = IS_INSTALLED.get_or_init(|| {
        let imports = "import celpy, jsonpatch, kubernetes_validate";
        let trial = Command::new(&python).args(["-c", imports]).output();
        trial.is_ok_and(|output| output.status.success())
    });
    if !is_installed {
        skip("checking manifests in Python");
        return None;
    }
    let mut program = sandbox.command(python);
    program.arg(repository().join("tests/it/docs").join(name));
    Some(program)
}
