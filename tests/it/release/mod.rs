//! What `scripts/release` makes: archives, packages, the image, the list of what is linked, and
//! that the same sources make the same bytes.

mod elsewhere;
mod files;
mod image;
mod linked;
mod package;

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, repository};
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Whether the tools are here that `scripts/release` needs, and what else a test needs.
fn are_here(tools: &[&str]) -> bool {
    ["dpkg-deb"].iter().chain(tools).all(|tool| {
        let mut find = Command::new("sh");
        is_permitted(tool, find.args(["-c", &format!("command -v {tool}")]))
    })
}

/// `scripts/release` with these binaries, for both architectures.
fn release_of(sandbox: &Sandbox, content: impl Fn(&Path)) -> PathBuf {
    for architecture in ARCHITECTURES {
        let directory = sandbox.path("binaries").join(architecture);
        std::fs::create_dir_all(&directory).expect("a fresh directory");
        content(&directory.join("exitdir"));
    }
    let output = sandbox.path("release");
    let ended = sandbox
        .command(repository().join("scripts/release"))
        .arg("--binaries")
        .arg(sandbox.path("binaries"))
        .arg("--output")
        .arg(&output)
        .env("CARGO_NET_OFFLINE", "true")
        .env("SOURCE", "https://example.org/exitdir")
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    output
}

/// A release whose binaries are no programs, for tests that execute none.
fn release(sandbox: &Sandbox) -> PathBuf {
    release_of(sandbox, |path| {
        std::fs::write(path, path.to_string_lossy().as_bytes()).expect("a file");
    })
}

/// A release with the binary under test, which must be static to run in another root.
fn release_that_runs(sandbox: &Sandbox) -> PathBuf {
    release_of(sandbox, |path| {
        std::fs::copy(binary(), path).expect("a copy");
    })
}

/// Runs a tool and returns what it prints.
fn output_of(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> String {
    let ended = sandbox.command(program).args(arguments).finish();
    assert_eq!(ended.status, 0, "{program} {arguments:?}: {}", ended.stderr);
    ended.stdout
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("plain")
}
