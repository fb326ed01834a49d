//! `exitdir-install` as its users see it.

use crate::support::inspect::{assert_sentence, await_sleep};
use crate::support::sandbox::{Sandbox, Start, binary, entries};
use crate::support::users::{as_nobody, installed, nobody_is_permitted};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const INSTALLED: [&str; 7] = [
    "exitdir",
    "exitdir-install",
    "exitdir-run",
    "exitdir-signal",
    "exitdir-status",
    "exitdir-wait",
    "kubexit",
];

fn assert_installed(bin: &Path) {
    assert_eq!(entries(bin), INSTALLED, "nothing else is left behind");
    let metadata = std::fs::symlink_metadata(bin.join("exitdir")).unwrap();
    assert!(metadata.is_file());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o555);
    assert_eq!(metadata.len(), std::fs::metadata(binary()).unwrap().len());
    for link in &INSTALLED[1..] {
        assert_eq!(
            std::fs::read_link(bin.join(link)).unwrap(),
            Path::new("exitdir")
        );
    }
}

#[test]
fn an_empty_directory_name_is_an_error_that_says_what_to_do() {
    let ended = Sandbox::new().applet("install").arg("").finish();
    assert_sentence(&ended, "exitdir-install", 125);
    assert!(ended.stderr.contains("DIR is empty"), "{ended:?}");
}

#[test]
fn the_running_binary_and_a_relative_link_for_each_applet_are_installed() {
    let sandbox = Sandbox::new();
    // With any umask, since other containers run as other users.
    let ended = sandbox
        .command("sh")
        .args(["-c", "umask 077; exec \"$0\" install \"$1\""])
        .arg(binary())
        .arg(sandbox.path("new/bin"))
        .finish();
    assert_eq!(
        (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "", "")
    );
    assert_installed(&sandbox.path("new/bin"));
    // An installed binary can install itself, through any of its links.
    let installer = sandbox.path("new/bin/exitdir-install");
    assert_eq!(
        sandbox
            .command(installer)
            .arg(sandbox.path("third"))
            .finish()
            .status,
        0
    );
    assert_installed(&sandbox.path("third"));
    assert!(
        sandbox.entries().is_empty(),
        "the exit directory is not touched"
    );
}

#[test]
fn an_installation_replaces_a_running_binary_and_anything_else() {
    let sandbox = Sandbox::new();
    let exitdir = installed(&sandbox);
    let bin = sandbox.path("bin");
    let mut waiter = sandbox.command(&exitdir).args(["wait", "main"]).start();
    await_sleep(&waiter);
    let before = std::fs::metadata(&exitdir).unwrap().ino();
    std::fs::remove_file(bin.join("exitdir-run")).unwrap();
    std::fs::write(bin.join("exitdir-run"), "an older version").unwrap();
    std::fs::remove_file(bin.join("exitdir-wait")).unwrap();
    std::os::unix::fs::symlink("nowhere", bin.join("exitdir-wait")).unwrap();

    assert_eq!(
        sandbox
            .command(&exitdir)
            .arg("install")
            .arg(&bin)
            .finish()
            .status,
        0,
        "over itself"
    );
    assert_installed(&bin);
    assert_ne!(
        std::fs::metadata(&exitdir).unwrap().ino(),
        before,
        "replaced, not rewritten"
    );
    assert!(waiter.is_running());
    assert_eq!(
        sandbox
            .command(bin.join("exitdir-signal"))
            .arg("main")
            .finish()
            .status,
        0
    );
    assert_eq!(waiter.end().status, 0);
}

#[test]
fn a_place_that_cannot_be_written_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("file"), "precious\n").unwrap();
    for place in ["file", "file/below"] {
        let ended = sandbox
            .command(binary())
            .arg("install")
            .arg(sandbox.path(place))
            .finish();
        assert_sentence(&ended, "exitdir-install", 125);
    }
    std::fs::create_dir_all(sandbox.path("taken/exitdir")).unwrap();
    assert_sentence(
        &sandbox
            .command(binary())
            .arg("install")
            .arg(sandbox.path("taken"))
            .finish(),
        "exitdir-install",
        125,
    );
    assert_eq!(
        entries(&sandbox.path("taken")),
        ["exitdir"],
        "nothing is left behind"
    );
    if nobody_is_permitted() {
        let exitdir = installed(&sandbox);
        let ended = as_nobody(&sandbox, exitdir)
            .arg("install")
            .arg(sandbox.path("denied"))
            .finish();
        assert_sentence(&ended, "exitdir-install", 125);
        assert!(
            ended.stderr.contains("Permission denied"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_sweep_works_together_with_an_installation() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("other")).unwrap();
    sandbox.touch("other/dead");
    let mut both = sandbox.applet("install");
    let ended = both
        .args(["--sweep", "--dir"])
        .arg(sandbox.path("other"))
        .arg(sandbox.path("target"))
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(entries(&sandbox.path("other")).is_empty());
    assert_installed(&sandbox.path("target"));
}

#[test]
fn the_program_in_the_exit_directory_is_not_taken_for_a_tombstone() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    let install = |options: &[&str]| sandbox.applet("install").args(options).arg(&dir).finish();
    assert_eq!(install(&[]).status, 0);
    // As on a file system without links.
    for applet in ["exitdir-wait", "kubexit"] {
        std::fs::remove_file(dir.join(applet)).unwrap();
        std::fs::write(dir.join(applet), "#!/bin/sh\n").unwrap();
    }
    let watch = sandbox.wait([":died", "--print"]).start();
    await_sleep(&watch);

    let sweep = sandbox.applet("install").arg("--sweep").finish();
    assert_eq!((sweep.status, sweep.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.entries(), INSTALLED);
    let listed = sandbox.applet("status").arg("--json").finish();
    listed.assert_output(0, "");
    assert_eq!(sandbox.wait(["-t", "0", ":died"]).finish().status, 124);
    // An event is about a life only if its name can be a life's.
    assert_eq!(install(&["--sweep"]).status, 0);
    std::fs::write(dir.join("exitdir-status"), "").unwrap();
    sandbox.record_death("main", "3");
    watch.end().assert_output(0, "main failed 3\n");
}

#[test]
fn inits_are_links_to_the_binary_and_replace_what_had_their_names() {
    let sandbox = Sandbox::new();
    let bin = sandbox.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("tini"), "older").unwrap();
    let mut install = sandbox.applet("install");
    assert_eq!(install.arg("--inits").arg(&bin).finish().status, 0);
    for name in ["tini", "tini-static", "docker-init", "podman-init"] {
        let link = std::fs::read_link(bin.join(name)).unwrap();
        assert_eq!(link, Path::new("exitdir"), "{name}");
        let ended = sandbox
            .command(bin.join(name))
            .args(["-s", "true"])
            .finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{name}");
    }
    assert_eq!(entries(&bin).len(), INSTALLED.len() + 4);
    let ended = sandbox
        .applet("install")
        .args(["--sweep", "--inits"])
        .finish();
    assert_sentence(&ended, "exitdir-install", 125);
}
