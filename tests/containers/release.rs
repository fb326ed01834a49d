//! The image that `scripts/release` makes, in Docker and in containerd.

use crate::engine::find;
use crate::harness::{Host, Obstacle, TestResult};
use crate::support::sandbox::{Sandbox, Start, repository};
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The image, with the binaries of scripts/build --small.
fn image(sandbox: &Sandbox) -> Result<PathBuf, Obstacle> {
    let binaries = repository().join("dist/small");
    let are_here = ["x86_64", "aarch64"].map(|arch| binaries.join(arch).join("exitdir").exists());
    let missing = |what: &str| Err(Obstacle::Missing(what.to_owned()));
    if are_here != [true, true] {
        return missing("no dist/small: scripts/build --small makes it");
    }
    if find("dpkg-deb").is_none() {
        return missing("dpkg-deb is not installed");
    }
    let mut release = sandbox.command(repository().join("scripts/release"));
    let release = release.arg("--binaries").arg(binaries);
    let ended = release
        .arg("--output")
        .arg(sandbox.path("release"))
        .env("CARGO_NET_OFFLINE", "true")
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    Ok(sandbox.path(&format!("release/exitdir-{VERSION}-image.tar")))
}

pub fn docker_loads_the_image_of_a_release_and_runs_it(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let sandbox = Sandbox::new();
    let image = image(&sandbox)?;
    let loaded = engine.must(["load", "--input", image.to_str().expect("plain")]);
    for tag in ["", "-amd64", "-arm64"] {
        let line = format!("Loaded image: exitdir:{VERSION}{tag}");
        assert!(loaded.lines().any(|other| other == line), "{loaded}");
    }
    let tag = match std::env::consts::ARCH {
        "aarch64" => format!("exitdir:{VERSION}-arm64"),
        _ => format!("exitdir:{VERSION}"),
    };
    let ended = engine.container(&tag).run(["--version"]);
    let said = format!("exitdir {VERSION}\n");
    ended.assert_output(0, &said);
    Ok(())
}

pub fn containerd_imports_the_image_of_a_release_for_both_architectures(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let ctr = find("ctr").ok_or(Obstacle::Missing("ctr is not installed".to_owned()))?;
    let socket = engine.containerd_socket();
    if !socket.exists() {
        return Err(Obstacle::Extra(
            "this engine has no containerd of its own".to_owned(),
        ));
    }
    let sandbox = Sandbox::new();
    let image = image(&sandbox)?;
    let ctr = |words: &[&str]| {
        let mut command = Command::new(&ctr);
        command.arg("--address").arg(&socket);
        let command = command.args(["--namespace", "release"]).args(words);
        let ended = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .finish();
        assert_eq!(ended.status, 0, "{words:?}: {}", ended.stderr);
        ended.stdout
    };
    let path = image.to_str().expect("plain");
    ctr(&["images", "import", "--all-platforms", path]);
    let list = ctr(&["images", "ls"]);
    let name = format!("docker.io/library/exitdir:{VERSION} ");
    let line = list.lines().find(|line| line.starts_with(&name));
    let line = line.unwrap_or_else(|| panic!("no {name}: {list}"));
    assert!(line.contains("linux/amd64,linux/arm64"), "{line}");
    Ok(())
}
