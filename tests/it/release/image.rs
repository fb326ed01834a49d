//! The image: the tools that take it. Docker and containerd are in the tests with containers.

use super::{VERSION, are_here, output_of, release, text_of};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start};
use std::process::Command;

#[test]
fn skopeo_finds_both_architectures_in_the_image() {
    if !are_here(&["skopeo"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let archive = release(&sandbox).join(format!("exitdir-{VERSION}-image.tar"));
    let image = format!("oci-archive:{}:{VERSION}", text_of(&archive));
    for architecture in ["amd64", "arm64"] {
        let arguments = [
            "--override-arch",
            architecture,
            "inspect",
            "--config",
            "--raw",
            &image,
        ];
        let config = output_of(&sandbox, "skopeo", &arguments);
        for expected in [
            format!("\"architecture\": \"{architecture}\""),
            "\"Entrypoint\": [\"/exitdir\"]".to_owned(),
            "\"User\": \"65532:65532\"".to_owned(),
            format!("\"org.opencontainers.image.version\": \"{VERSION}\""),
            format!(
                "\"org.opencontainers.image.description\": \"{}\"",
                env!("CARGO_PKG_DESCRIPTION")
            ),
            "\"org.opencontainers.image.source\": \"https://example.org/exitdir\"".to_owned(),
        ] {
            assert!(config.contains(&expected), "{expected}: {config}");
        }
    }
    let copy = format!("oci:{}", text_of(&sandbox.path("copy")));
    let arguments = ["copy", "--insecure-policy", "--all", &image, &copy];
    output_of(&sandbox, "skopeo", &arguments);
    let index = sandbox.read("copy/index.json");
    assert!(index.contains("image.index.v1"), "{index}");
}

#[test]
fn podman_loads_the_image_of_its_architecture() {
    if !are_here(&["podman"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let archive = release(&sandbox).join(format!("exitdir-{VERSION}-image.tar"));
    let podman = |arguments: &[&str]| {
        let mut podman = sandbox.command("podman");
        podman
            .arg("--root")
            .arg(sandbox.path("storage"))
            .arg("--runroot")
            .arg(sandbox.path("run"))
            .arg("--tmpdir")
            .arg(sandbox.path("tmp"))
            .args(["--storage-driver", "vfs", "--events-backend", "none"])
            .args(["--cgroup-manager", "cgroupfs"])
            .args(arguments);
        podman
    };
    if !is_permitted("podman", &mut podman(&["images"])) {
        return;
    }
    let ended = podman(&["load", "--input", text_of(&archive)]).finish();
    let loaded = format!("docker.io/library/exitdir:{VERSION}");
    let said = format!("Loaded image: {loaded}\n");
    assert_eq!((ended.status, ended.stdout), (0, said), "{}", ended.stderr);
    let format = "{{.Architecture}} {{.Config.Entrypoint}}";
    let ended = podman(&["image", "inspect", "--format", format, &loaded]).finish();
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    assert_eq!(ended.stdout, format!("{architecture} [/exitdir]\n"));
}

/// The layers of both architectures differ in the binary alone.
#[test]
fn the_layers_of_the_image_have_the_files_of_dockerfile_scratch() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    let archive = release(&sandbox).join(format!("exitdir-{VERSION}-image.tar"));
    let layout = sandbox.path("layout");
    std::fs::create_dir(&layout).expect("a fresh directory");
    let arguments = ["-xf", text_of(&archive), "-C", text_of(&layout)];
    output_of(&sandbox, "tar", &arguments);
    let loadable = sandbox.read("layout/manifest.json");
    let layers: Vec<&str> = loadable
        .split("\"Layers\": [\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(layers.len(), 2, "{loadable}");
    for layer in layers {
        let layer = layout.join(layer);
        let mut tar = Command::new("tar");
        let tar = tar.args(["--numeric-owner", "-tvzf"]).arg(&layer);
        let listed = tar.output().expect("tar");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let mut entries: Vec<String> = listed
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                [&words[..2], &words[5..]].concat().join(" ")
            })
            .collect();
        entries.sort_unstable();
        let expected = [
            "-rwxr-xr-x 0/0 ./exitdir",
            "drwxr-xr-x 0/0 ./",
            "drwxr-xr-x 0/0 ./bin/",
            "lrwxrwxrwx 0/0 ./bin/kubexit -> ../exitdir",
            "lrwxrwxrwx 0/0 ./exitdir-install -> exitdir",
            "lrwxrwxrwx 0/0 ./exitdir-run -> exitdir",
            "lrwxrwxrwx 0/0 ./exitdir-signal -> exitdir",
            "lrwxrwxrwx 0/0 ./exitdir-status -> exitdir",
            "lrwxrwxrwx 0/0 ./exitdir-wait -> exitdir",
        ];
        assert_eq!(entries, expected);
    }
}
