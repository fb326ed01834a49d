//! `exitdir-install`: from an init container into a volume, where images of others find it.

use crate::engine::{Container, Engine, FOREIGN, HARDENED, SCRATCH};
use crate::harness::{Host, TestResult};
use crate::support::sandbox::{Sandbox, entries};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory on the machine's disk as the volume, open to all, as Kubernetes makes it.
fn volume(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.path("volume");
    std::fs::create_dir(&path).expect("a fresh directory");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("ours");
    path
}

/// The init container: the image as it is, with its own unprivileged user.
fn install(engine: &Engine, volume: &Path) {
    let mount = format!("{}:/vol", volume.display());
    let ended = engine
        .container(SCRATCH)
        .options(HARDENED)
        .options(["-v", &mount])
        .run(["install", "/vol/bin"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

/// An image of another project, with the volume and another user.
fn start_elsewhere<'e>(engine: &'e Engine, volume: &Path, work: &str) -> Container<'e> {
    let mount = format!("{}:/vol", volume.display());
    let recipe = engine.container(FOREIGN).options(HARDENED).options([
        "--user",
        "10001:10001",
        "-v",
        &mount,
    ]);
    let recipe = recipe.options([
        "-e",
        "EXIT_DIR=/vol/exit",
        "--entrypoint",
        "/vol/bin/exitdir-run",
    ]);
    recipe.start([
        "-n",
        "main",
        "--ready-on",
        "signal",
        "--",
        "/bin/sh",
        "-c",
        work,
    ])
}

pub fn an_init_container_installs_into_a_volume_that_another_image_runs_from(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let sandbox = Sandbox::new();
    let volume = volume(&sandbox);
    install(engine, &volume);
    let bin = volume.join("bin");
    let links = [
        "exitdir-install",
        "exitdir-run",
        "exitdir-signal",
        "exitdir-status",
        "exitdir-wait",
        "kubexit",
    ];
    assert_eq!(entries(&bin), [&["exitdir"], &links[..]].concat());
    for link in links {
        assert_eq!(
            std::fs::read_link(bin.join(link)).expect("a link"),
            Path::new("exitdir")
        );
    }
    assert_eq!(
        std::fs::metadata(bin.join("exitdir"))
            .expect("a file")
            .mode()
            & 0o7777,
        0o555
    );

    let container = start_elsewhere(
        engine,
        &volume,
        "/vol/bin/exitdir-signal --ready main && exit 9",
    );
    assert_eq!(container.end(), 9, "{}", container.log());
    let tombstone = std::fs::read_to_string(volume.join("exit/main")).expect("a tombstone");
    assert!(
        tombstone.contains("\nReady: ") && tombstone.contains("\nExitCode: 9\n"),
        "{tombstone}"
    );
    Ok(())
}

pub fn an_installation_is_replaced_while_it_runs(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let sandbox = Sandbox::new();
    let volume = volume(&sandbox);
    let inode = || {
        std::fs::metadata(volume.join("bin/exitdir"))
            .expect("a file")
            .ino()
    };
    install(engine, &volume);
    let first = inode();
    let trapping = "trap 'exit 7' TERM; /vol/bin/exitdir-signal --ready main; sleep 600 & wait";
    let container = start_elsewhere(engine, &volume, trapping);
    let is_ready = |container: &Container| {
        let ended = container.exec(["/vol/bin/exitdir-wait", "-t", "100s", "main:ready"]);
        assert_eq!(ended.status, 0, "{}{}", ended.stderr, container.log());
    };
    is_ready(&container);

    install(engine, &volume);
    assert_ne!(inode(), first, "the file was written over");
    assert!(container.is_running(), "{}", container.log());
    is_ready(&container);
    container.stop();
    assert_eq!(container.end(), 7, "{}", container.log());
    assert_eq!(
        entries(&volume.join("bin")).len(),
        7,
        "nothing is left behind"
    );
    Ok(())
}
