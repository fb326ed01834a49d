//! The same sources make the same bytes: from another directory, with another `HOME`, umask and
//! time zone, later, and as another user.

use super::{ARCHITECTURES, are_here, text_of};
use crate::support::requirements::{is_long_run, is_permitted};
use crate::support::sandbox::{Sandbox, binary, repository};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources alone, with the modes of another umask.
const COPY: &str = r#"
set -e
umask 077
mkdir "$2"
cd "$1"
tar --exclude=./target --exclude=./dist --exclude=./.git --exclude=./fuzz/target -cf - . |
    tar --no-same-permissions -xf - -C "$2"
"#;

/// `scripts/release` where everything else than the sources and the toolchain is different.
const ELSEWHERE: &str = r#"
set -e
umask 077
mkdir -p "$HOME"
cd /
"$@"
"#;

fn copy_of_the_sources(sandbox: &Sandbox) -> PathBuf {
    let copy = sandbox.path("elsewhere");
    let mut sh = sandbox.command("sh");
    let sh = sh.args(["-c", COPY, "sh"]).arg(repository()).arg(&copy);
    assert!(sh.status().expect("a shell").success());
    copy
}

/// Where cargo and rustup keep things, which stays the same.
fn homes() -> [(&'static str, String); 2] {
    let home = std::env::var("HOME").unwrap_or_default();
    [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")].map(|(name, directory)| {
        let usual = format!("{home}/{directory}");
        (name, std::env::var(name).unwrap_or(usual))
    })
}

/// Runs `scripts/release` of these sources; what it prints at the end are the sums.
fn sums(command: &mut Command) -> String {
    // No deadline: a build takes as long as it takes.
    let output = command
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("a script");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let sums = text.lines().filter(|line| line.contains("  exitdir"));
    sums.map(|line| format!("{line}\n")).collect()
}

fn here(sandbox: &Sandbox, binaries: &Path, architectures: &[&str]) -> String {
    let mut release = sandbox.command(repository().join("scripts/release"));
    let release = release.arg("--binaries").arg(binaries);
    sums(
        release
            .arg("--output")
            .arg(sandbox.path("first"))
            .args(architectures),
    )
}

/// The command that releases a copy of the sources in another environment; the arguments of
/// `scripts/release` follow.
fn elsewhere(sandbox: &Sandbox, shell: &mut Command, copy: &Path) -> Command {
    let mut command = std::mem::replace(shell, Command::new("false"));
    command
        .args(["-c", ELSEWHERE, "sh"])
        .arg(copy.join("scripts/release"))
        .arg("--output")
        .arg(sandbox.path("second"))
        .env("HOME", sandbox.path("home"))
        .env("CARGO_TARGET_DIR", sandbox.path("target"))
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "C.UTF-8")
        .envs(homes());
    command
}

/// What is packed, whatever the binaries are.
#[test]
fn packing_elsewhere_makes_the_same_files() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    for architecture in ARCHITECTURES {
        let directory = sandbox.path("binaries").join(architecture);
        std::fs::create_dir_all(&directory).expect("a fresh directory");
        std::fs::write(directory.join("exitdir"), architecture).expect("a file");
    }
    let binaries = sandbox.path("binaries");
    let first = here(&sandbox, &binaries, &[]);
    assert_eq!(first.lines().count(), 6, "{first}");
    let copy = copy_of_the_sources(&sandbox);
    let mut command = elsewhere(&sandbox, &mut sandbox.command("sh"), &copy);
    let second = sums(command.args(["--binaries", text_of(&binaries)]));
    assert_eq!(first, second);
}

/// The binaries of scripts/build --small, if they are under test: only then are they known to be
/// those of these sources.
fn small_binaries() -> Option<PathBuf> {
    let small = repository().join("dist/small");
    let is_small = binary() == small.join(std::env::consts::ARCH).join("exitdir");
    let answer = if is_small { "true" } else { "false" };
    let what = "comparing with dist/small, which is not under test,";
    is_permitted(what, &mut Command::new(answer)).then_some(small)
}

#[test]
fn a_build_elsewhere_makes_the_same_files() {
    let Some(small) = small_binaries().filter(|_| are_here(&[])) else {
        return;
    };
    let sandbox = Sandbox::new();
    let architectures = [std::env::consts::ARCH];
    let first = here(&sandbox, &small, &architectures);
    let copy = copy_of_the_sources(&sandbox);
    let mut command = elsewhere(&sandbox, &mut sandbox.command("sh"), &copy);
    let second = sums(command.args(architectures));
    assert_eq!(first, second);
}

/// Takes too long for every change.
#[test]
fn a_build_of_another_user_makes_the_same_files_for_both_architectures() {
    if !is_long_run() || !are_here(&[]) {
        return;
    }
    let Some(small) = small_binaries() else {
        return;
    };
    // Root's toolchain may be out of reach for other users, so it is a user in a namespace.
    let user = ["--user", "--map-user=1234", "--map-group=1234", "sh"];
    let mut trial = Command::new("unshare");
    if !is_permitted("a user namespace", trial.args(user).args(["-c", "true"])) {
        return;
    }
    let sandbox = Sandbox::new();
    let first = here(&sandbox, &small, &[]);
    let copy = copy_of_the_sources(&sandbox);
    let mut shell = sandbox.command("unshare");
    shell.args(user);
    let second = sums(&mut elsewhere(&sandbox, &mut shell, &copy));
    assert_eq!(first, second);
}
