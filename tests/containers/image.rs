//! The image of `Dockerfile.scratch`.

use crate::engine::{Engine, HARDENED, SCRATCH, find_all};
use crate::harness::{Host, Obstacle, TestResult};
use crate::support::sandbox::{Sandbox, Start};
use std::path::Path;
use std::process::{Command, Stdio};

/// What is in the layers of an image: mode, owner and name, a link with where it leads.
fn contents(engine: &Engine, image: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    let (archive, unpacked) = (sandbox.path("image.tar"), sandbox.path("image"));
    engine.must(["save", "--output", archive.to_str().expect("plain"), image]);
    std::fs::create_dir(&unpacked).expect("a fresh directory");
    tar(&[
        "-xf",
        archive.to_str().expect("plain"),
        "-C",
        unpacked.to_str().expect("plain"),
    ])
    .expect("an archive");
    let mut found: Vec<String> = files(&unpacked)
        .iter()
        .filter_map(|file| tar(&["-tvf", file]))
        .flatten()
        .collect();
    found.sort();
    found
}

/// Each line as mode, owner, name; none if it is no archive.
fn tar(words: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tar");
    let command = command
        .args(["--numeric-owner"])
        .args(words)
        .stdin(Stdio::null());
    let ended = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .finish();
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [&words[..2], &words[5..]].concat().join(" ")
    };
    (ended.status == 0).then(|| ended.stdout.lines().map(line).collect())
}

/// All files beneath a directory, but no links.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path().to_str().expect("plain").to_owned());
        }
    }
    found
}

const CONTENTS: [&str; 8] = [
    "-r-xr-xr-x 0/0 exitdir",
    "drwxr-xr-x 0/0 bin/",
    "lrwxrwxrwx 0/0 bin/kubexit -> ../exitdir",
    "lrwxrwxrwx 0/0 exitdir-install -> exitdir",
    "lrwxrwxrwx 0/0 exitdir-run -> exitdir",
    "lrwxrwxrwx 0/0 exitdir-signal -> exitdir",
    "lrwxrwxrwx 0/0 exitdir-status -> exitdir",
    "lrwxrwxrwx 0/0 exitdir-wait -> exitdir",
];

pub fn the_image_is_one_binary_and_its_links(machine: &Host) -> TestResult {
    assert_eq!(contents(machine.engine()?, SCRATCH), CONTENTS);
    Ok(())
}

pub fn the_image_says_what_it_is(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let inspect = |format: &str| engine.must(["image", "inspect", "--format", format, SCRATCH]);
    let label = |name: &str| {
        inspect(&format!(
            "{{{{index .Config.Labels \"org.opencontainers.image.{name}\"}}}}"
        ))
    };
    assert_eq!(inspect("{{.Config.User}}"), "65532:65532");
    assert_eq!(inspect("{{json .Config.Entrypoint}}"), r#"["/exitdir"]"#);
    assert_eq!(label("title"), env!("CARGO_PKG_NAME"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("source"), "https://example.org/exitdir");
    assert_eq!(label("documentation"), "https://example.org/exitdir");
    Ok(())
}

pub fn the_image_starts_as_any_user_on_a_read_only_root(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let version = format!("exitdir {}\n", env!("CARGO_PKG_VERSION"));
    for user in ["0:0", "1:1", "2147483647:2147483647"] {
        let ended = engine
            .container(SCRATCH)
            .options(HARDENED)
            .options(["--user", user])
            .run(["--version"]);
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, version.as_str()),
            "{user}: {}",
            ended.stderr
        );
    }
    Ok(())
}

pub fn buildkit_builds_the_same_image(machine: &Host) -> TestResult {
    const IMAGE: &str = "exitdir:buildkit";
    let engine = machine.engine()?;
    // The client of the engine's own version brings BuildKit along; newer ones want a plugin.
    let client = |path: &Path| engine.client(path, []);
    let can_build = |path: &&std::path::PathBuf| {
        let ended = client(path)
            .env("DOCKER_BUILDKIT", "1")
            .args(["build", "--help"])
            .finish();
        ended.status == 0 && ended.stdout.contains("--secret")
    };
    let clients = find_all("docker");
    let path = clients.iter().find(can_build).ok_or(Obstacle::Extra(
        "no docker client here has BuildKit".to_owned(),
    ))?;
    engine
        .build_ours(client(path).env("DOCKER_BUILDKIT", "1"), IMAGE)
        .expect("an image");
    assert_eq!(contents(engine, IMAGE), CONTENTS);
    Ok(())
}
