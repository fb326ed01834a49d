//! The package for crates.io.

use crate::support::sandbox::{Sandbox, repository};
use std::process::Command;

fn cargo_package(sandbox: &Sandbox) -> Command {
    let mut cargo = sandbox.command(env!("CARGO"));
    cargo
        .current_dir(repository())
        .args(["package", "--offline", "--allow-dirty"])
        .env("CARGO_TARGET_DIR", sandbox.path("target"));
    cargo
}

#[test]
fn cargo_package_builds_what_it_packs() {
    let sandbox = Sandbox::new();
    // No deadline: a build takes as long as it takes.
    let ended = cargo_package(&sandbox).output().expect("cargo");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
}

#[test]
fn the_package_has_the_sources_and_the_pages_and_nothing_else() {
    let sandbox = Sandbox::new();
    let ended = cargo_package(&sandbox)
        .arg("--list")
        .output()
        .expect("cargo");
    assert!(ended.status.success());
    let list = String::from_utf8_lossy(&ended.stdout).into_owned();
    let expected = [
        "Cargo.lock",
        "Cargo.toml",
        "Cargo.toml.orig",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "DESIGN.md",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        ".cargo_vcs_info.json",
    ];
    for path in list.lines() {
        let (first, _) = path.split_once('/').unwrap_or((path, ""));
        let is_expected = expected.contains(&path) || ["src", "docs", "examples"].contains(&first);
        assert!(is_expected, "{path}");
    }
    assert!(list.contains("\nsrc/main.rs\n"), "{list}");
}
