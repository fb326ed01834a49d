//! The directory in which a copy of configuration is installed, where another user can write: what
//! is put in the place of the copy, of its old versions, and of the hidden directories beside it.

use crate::support::hostile::{Canaries, as_attacker, attack, attacker_is_permitted};
use crate::support::inspect::assert_sentence;
use crate::support::managed_app::{ConfiguredApp, ReloadBy, write};
use crate::support::namespaces::with_mounts;
use crate::support::requirements::{is_permitted, perl_is_here, strace_can_inject};
use crate::support::sandbox::{Sandbox, Start, binary, entries, eventually, wait_until};
use crate::support::syscalls::traced;
use crate::support::users::set_mode;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// The user of the attacks.
const ATTACKER_ID: u32 = 1001;

/// A source `tree`, canaries, and a directory `shared` in which every user can write.
fn sandbox_with_shared_directory() -> (Sandbox, Canaries) {
    let sandbox = Sandbox::new();
    set_mode(&sandbox.path("."), 0o755);
    for name in ["tree", "shared"] {
        fs::create_dir(sandbox.path(name)).unwrap();
    }
    set_mode(&sandbox.path("shared"), 0o777);
    write(&sandbox, "tree/app.conf", "1");
    let canaries = Canaries::plant(&sandbox);
    (sandbox, canaries)
}

/// The hidden staging directories beside the copy.
fn staging_directories(sandbox: &Sandbox) -> Vec<String> {
    let mut names = entries(&sandbox.path("shared"));
    names.retain(|name| name.starts_with(".run.exitdir-") && name.len() == 29);
    names
}

#[test]
fn a_mount_below_an_old_version_is_not_entered() {
    if !attacker_is_permitted() {
        return;
    }
    let (sandbox, canaries) = sandbox_with_shared_directory();
    attack(
        &sandbox,
        "mkdir -p shared/.run.exitdir-1/d/mount; : >shared/.run.exitdir-1/f",
    );
    let script = "mount --bind canaries shared/.run.exitdir-1/d/mount";
    let inside = |program: &Path| {
        let mut command = with_mounts(&sandbox, script, program);
        command.current_dir(sandbox.path("."));
        command
    };
    if !is_permitted("a mount", &mut inside(Path::new("true"))) {
        return;
    }
    let directory = File::open(sandbox.path("shared/.run.exitdir-1/d")).unwrap();
    let mode = || directory.metadata().unwrap().permissions().mode() & 0o7777;
    let before = mode();
    let mut run = inside(&binary());
    let ended = run
        .args(["run", "--config", "tree=shared/run", "--", "true"])
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    canaries.assert_unchanged();
    // What cannot be removed is no reason to change it.
    assert_eq!(mode(), before);
    assert_eq!(sandbox.read("shared/run/app.conf"), "1\n");
}

#[test]
fn an_old_version_of_any_depth_is_removed_with_few_descriptors() {
    const DEEP: &str = "mkdir $ARGV[0]; chdir $ARGV[0]; \
                        for (1 .. $ARGV[1]) { mkdir 'd' or die; chdir 'd' or die }";
    if !attacker_is_permitted() || !perl_is_here() {
        return;
    }
    let (sandbox, canaries) = sandbox_with_shared_directory();
    let mut perl = as_attacker(&sandbox, "perl");
    let made = perl
        .args(["-e", DEEP, "shared/.run.exitdir-1", "19000"])
        .current_dir(sandbox.path("."))
        .finish();
    assert_eq!(made.status, 0, "{made:?}");
    // A life that ends sooner leaves the rest of the removal to the next one.
    let until_removed =
        "while ls -A shared | grep -q 'exitdir-[0-9a-f]\\{16\\}'; do sleep 0.02; done";
    let mut limited = sandbox.command("sh");
    let ended = limited
        .args(["-c", "ulimit -n 16; exec \"$0\" \"$@\""])
        .arg(binary())
        .args(["run", "--config", "tree=shared/run"])
        .args(["--", "sh", "-c", until_removed])
        .current_dir(sandbox.path("."))
        .finish();
    let left = entries(&sandbox.path("shared"));
    // The standard library could not remove it either.
    let mut rm = sandbox.command("rm");
    rm.arg("-rf").arg(sandbox.path("shared")).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(left, [".run.exitdir-1", "run"]);
    canaries.assert_unchanged();
}

#[test]
fn a_hard_link_to_our_own_tombstone_in_a_copy_costs_no_lock() {
    if !attacker_is_permitted() {
        return;
    }
    let (sandbox, canaries) = sandbox_with_shared_directory();
    fs::create_dir(sandbox.path("shared/run")).unwrap();
    set_mode(&sandbox.path("shared/run"), 0o777);
    set_mode(&sandbox.path("tree"), 0o777);
    let words = ["--name", "main", "--config", "tree=shared/run"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "shared/run/app.conf", &words);
    app.await_log(&["started 1"]);
    attack(&app.sandbox, "ln graveyard/main shared/run/extra");
    // A file of the same size is compared with it.
    let size = fs::metadata(app.sandbox.path("shared/run/extra"))
        .unwrap()
        .size();
    fs::write(app.sandbox.path("tree/extra"), vec![b'x'; size as usize]).unwrap();
    write(&app.sandbox, "tree/app.conf", "2");
    app.await_log(&["started 1", "reloaded 2"]);
    assert!(!app.sandbox.holds("main:lost"));
    let mut second = app.sandbox.run(["--name", "main", "--", "true"]);
    assert_sentence(&second.finish(), "exitdir-run", 125);
    canaries.assert_unchanged();
}

#[test]
fn a_link_of_another_user_on_the_way_to_a_copy_is_refused_at_the_start() {
    if !attacker_is_permitted() {
        return;
    }
    let (sandbox, canaries) = sandbox_with_shared_directory();
    attack(
        &sandbox,
        "ln -s ../canaries shared/link; ln -s link shared/again",
    );
    // Of root, but it leads through one that is not.
    symlink("again", sandbox.path("shared/ours")).unwrap();
    for target in [
        "link/run",
        "again/run",
        "link/new/run",
        "link/etc/ssh",
        "ours/run",
    ] {
        let config = format!("tree=shared/{target}");
        let mut run = sandbox.run(["--config", &config, "--", "true"]);
        let ended = run.current_dir(sandbox.path(".")).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("uid 1001"), "{ended:?}");
    }
    canaries.assert_unchanged();
}

#[test]
fn a_link_that_no_other_user_can_replace_is_followed() {
    if !attacker_is_permitted() {
        return;
    }
    let (sandbox, canaries) = sandbox_with_shared_directory();
    fs::create_dir(sandbox.path("closed")).unwrap();
    symlink("../shared", sandbox.path("closed/link")).unwrap();
    lchown(sandbox.path("closed/link"), Some(ATTACKER_ID), None).unwrap();
    symlink("../closed/link", sandbox.path("shared/ours")).unwrap();
    let root = sandbox.path(".").canonicalize().unwrap();
    let through_proc = format!("/proc/self/root{}/shared", root.display());
    for directory in ["shared/ours/../shared", "closed/link", &through_proc] {
        let config = format!("tree={directory}/new/run");
        let mut run = sandbox.run(["--config", &config, "--", "cat", "shared/new/run/app.conf"]);
        let ended = run.current_dir(sandbox.path(".")).finish();
        ended.assert_output(0, "1\n");
        fs::remove_dir_all(sandbox.path("shared/new")).unwrap();
    }
    canaries.assert_unchanged();
}

#[test]
fn a_directory_is_not_lost_if_another_process_empties_the_staging_directory() {
    if !attacker_is_permitted() || !strace_can_inject() {
        return;
    }
    let (sandbox, _) = sandbox_with_shared_directory();
    fs::create_dir(sandbox.path("shared/run")).unwrap();
    write(&sandbox, "shared/run/app.conf", "precious");
    let slow = "inject=rename,renameat,renameat2:delay_enter=3000000";
    let words = ["run", "--config", "tree=shared/run", "--", "true"];
    let mut run = traced(&sandbox, &["-e", slow], &words);
    let running = run.current_dir(sandbox.path(".")).start();
    let mut looks = 0;
    let staging = eventually("a staging directory", || {
        let name = staging_directories(&sandbox).pop()?;
        let path = sandbox.path("shared").join(name);
        // All of it is made in an instant, and the rename after that is slow.
        looks += usize::from(entries(&path) == ["one", "two"]);
        (looks > 3).then_some(path)
    });
    for name in ["one", "two"] {
        fs::remove_dir_all(staging.join(name)).unwrap();
    }
    // If it was moved, something else takes its place.
    wait_until("it is moved, or cannot be", || {
        let place = sandbox.path("shared/run");
        if !place.exists() {
            fs::create_dir_all(place.join("other")).unwrap();
        }
        place.join("other").exists() || !staging.exists()
    });
    let ended = running.end();
    let saved = entries(&sandbox.path("shared")).into_iter().find(|name| {
        let text = sandbox.read(&format!("shared/{name}/app.conf"));
        text == "precious\n" || text == "1\n"
    });
    assert!(saved.is_some(), "{ended:?}");
}
