//! The path of the exit directory, of which the hostile user may write a part; and a directory that
//! it has filled.

use crate::support::hostile::{Canaries, attack, attacker_is_permitted};
use crate::support::inspect::assert_sentence;
use crate::support::namespaces::with_mounts;
use crate::support::requirements::{is_permitted, strace_can_inject};
use crate::support::sandbox::{Ended, Sandbox, Start, binary, wait_until, words};
use crate::support::signals::TERM;
use crate::support::users::set_mode;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::Duration;

/// A sandbox whose exit directory is to be made in a directory that is open to the hostile user.
fn shared() -> Option<Sandbox> {
    attacker_is_permitted().then(|| {
        let sandbox = Sandbox::below(&std::env::temp_dir(), Path::new("shared/exit"));
        set_mode(&sandbox.path("."), 0o755);
        fs::create_dir(sandbox.path("shared")).unwrap();
        set_mode(&sandbox.path("shared"), 0o777);
        sandbox
    })
}

const LINK: &str = "ln -s ../canaries/etc shared/exit";

#[test]
fn no_program_uses_a_directory_through_a_link_of_another_user() {
    let Some(sandbox) = shared() else {
        return;
    };
    let canaries = Canaries::plant(&sandbox);
    attack(&sandbox, LINK);
    for line in [
        "run -n main -- true",
        "signal main",
        "install --sweep",
        "wait -t 0 passwd:died",
        "status",
    ] {
        let mut command = sandbox.command(binary());
        let ended = command.args(words(line)).finish();
        let applet = format!("exitdir-{}", words(line)[0]);
        assert_sentence(&ended, &applet, 125);
        assert!(
            ended.stderr.contains("is a link that uid 1001"),
            "{ended:?}"
        );
    }
    canaries.assert_unchanged();
}

#[test]
fn a_link_of_another_user_in_the_middle_of_the_path_is_not_followed() {
    let Some(sandbox) = shared() else {
        return;
    };
    let canaries = Canaries::plant(&sandbox);
    attack(&sandbox, "ln -s ../canaries shared/exit");
    for below in ["etc", "new", "etc/new"] {
        let mut install = sandbox.applet("install");
        install.env("EXIT_DIR", sandbox.dir().join(below));
        let ended = install.arg("--sweep").finish();
        assert_sentence(&ended, "exitdir-install", 125);
    }
    canaries.assert_unchanged();
}

#[test]
fn a_directory_that_is_replaced_by_a_link_later_is_not_followed() {
    let Some(sandbox) = shared() else {
        return;
    };
    let canaries = Canaries::plant(&sandbox);
    let life = sandbox.run(["-n", "main", "--", "sleep", "1000"]).start();
    sandbox.await_key("main", "Ready");
    attack(
        &sandbox,
        "mv shared/exit shared/old; ln -s ../canaries shared/exit",
    );
    let ended = sandbox.applet("install").arg("--sweep").finish();
    assert_sentence(&ended, "exitdir-install", 125);
    life.send(TERM);
    assert_eq!(life.end().status, 143);
    canaries.assert_unchanged();
}

#[test]
fn links_of_root_and_of_the_user_itself_are_followed() {
    let Some(sandbox) = shared() else {
        return;
    };
    fs::create_dir(sandbox.path("real")).unwrap();
    symlink("../real", sandbox.dir()).unwrap();
    sandbox.record_death("main", "0");
    assert!(sandbox.path("real/main").exists());
}

/// Runs a program that creates the exit directory, and holds it for a second after its mkdir(2).
/// The hostile user runs `swap` meanwhile.
fn while_mkdir_is_held(sandbox: &Sandbox, swap: &str) -> Ended {
    let faults = "-f -qq -o /dev/null -e trace=mkdir,mkdirat \
                  -e inject=mkdir,mkdirat:delay_exit=1000000";
    let mut strace = sandbox.command("strace");
    let strace = strace.args(words(faults)).arg(binary());
    let strace = strace.args(["run", "-n", "main", "--", "true"]).start();
    attack(sandbox, swap);
    strace.end()
}

#[test]
fn creating_the_directory_changes_no_mode_through_a_link() {
    if !strace_can_inject() {
        return;
    }
    let Some(sandbox) = shared() else {
        return;
    };
    let canaries = Canaries::plant(&sandbox);
    // Whatever comes after mkdir(2) finds the link.
    let swap = "until mv shared/exit shared/old 2>/dev/null; do :; done; \
                ln -s ../canaries/etc/ssh shared/exit";
    let ended = while_mkdir_is_held(&sandbox, swap);
    assert!([0, 125].contains(&ended.status), "{ended:?}");
    canaries.assert_unchanged();
}

#[test]
fn a_directory_that_takes_the_place_of_a_new_one_keeps_its_mode() {
    if !strace_can_inject() {
        return;
    }
    let Some(sandbox) = shared() else {
        return;
    };
    let private = sandbox.path("shared/private");
    fs::create_dir(&private).unwrap();
    set_mode(&private, 0o700);
    let Ok(born) = fs::metadata(&private).unwrap().created() else {
        println!("SKIPPED: the file system does not know when a directory was created");
        return;
    };
    wait_until("it is older than a second", || {
        born.elapsed().unwrap_or_default() > Duration::from_secs(3)
    });
    // Its user works there, so it has just changed.
    fs::write(private.join("notes"), "").unwrap();
    let swap = "until mv shared/exit shared/old 2>/dev/null; do :; done; \
                mv shared/private shared/exit";
    let ended = while_mkdir_is_held(&sandbox, swap);
    assert!([0, 125].contains(&ended.status), "{ended:?}");
    let mode = fs::metadata(sandbox.dir()).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o700, "{mode:o}");
}

#[test]
fn nothing_is_installed_through_a_link_of_another_user() {
    let Some(sandbox) = shared() else {
        return;
    };
    let canaries = Canaries::plant(&sandbox);
    attack(&sandbox, LINK);
    for target in ["shared/exit", "shared/exit/ssh", "shared/exit/new"] {
        let mut install = sandbox.applet("install");
        let ended = install.arg(sandbox.path(target)).finish();
        assert_sentence(&ended, "exitdir-install", 125);
        let why = "\"exit\" is a link that uid 1001 has made where other users may write";
        assert!(ended.stderr.contains(why), "{ended:?}");
    }
    canaries.assert_unchanged();
    fs::create_dir(sandbox.path("real")).unwrap();
    symlink("../real", sandbox.path("shared/own")).unwrap();
    let mut install = sandbox.applet("install");
    let ended = install.arg(sandbox.path("shared/own/bin")).finish();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(sandbox.path("real/bin/exitdir-run").exists());
}

#[test]
fn a_directory_that_is_exchanged_during_an_installation_leads_nowhere_else() {
    if !strace_can_inject() {
        return;
    }
    // After it was created, and while the binary is written into it.
    for (inject, moment) in [
        ("mkdir,mkdirat:delay_exit=1000000", "test -d shared/bin"),
        (
            "fsync:delay_enter=1000000",
            "ls -A shared/bin 2>/dev/null | grep -q exitdir",
        ),
    ] {
        let Some(sandbox) = shared() else {
            return;
        };
        let canaries = Canaries::plant(&sandbox);
        let faults = format!("-f -qq -o /dev/null -e trace=mkdir,mkdirat,fsync -e inject={inject}");
        let mut strace = sandbox.command("strace");
        let strace = strace.args(words(&faults)).arg(binary());
        let strace = strace.arg("install").arg(sandbox.path("shared/bin"));
        let strace = strace.start();
        // A second is long enough for it; a program that never gets there is an error.
        let wait =
            format!("n=0; until {moment}; do n=$((n+1)); test $n -lt 3000; sleep 0.01; done");
        let swap = "mv shared/bin shared/old; ln -s ../canaries/empty shared/bin";
        attack(&sandbox, &format!("{wait}; {swap}"));
        let ended = strace.end();
        let is_complete = sandbox.path("shared/old/kubexit").exists();
        // If the link was there before the directory was opened, it is refused.
        let is_refused = ended.stderr.contains("is a link that uid 1001");
        let is_early = inject.starts_with("mkdir");
        assert!(is_complete || (is_early && is_refused), "{ended:?}");
        canaries.assert_unchanged();
    }
}

#[test]
fn a_sweep_works_without_free_inodes_and_without_space() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.dir()).unwrap();
    let script = "mount -t tmpfs -o nr_inodes=4 tmpfs \"$EXIT_DIR\"";
    if !is_permitted("a mount", &mut with_mounts(&sandbox, script, "true")) {
        return;
    }
    let mut shell = with_mounts(&sandbox, script, Path::new("sh"));
    let fill = "cd \"$EXIT_DIR\" && touch a b c && ! touch d 2>/dev/null && \
                \"$0\" install --sweep && ls -A";
    let ended = shell.args(["-c", fill]).arg(binary()).finish();
    ended.assert_output(0, "");
    assert!(ended.stderr.contains("removed 3 tombstones"), "{ended:?}");
}

#[test]
fn a_sweep_of_unfinished_lives_waits_once_for_all_files_that_are_being_written() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.dir()).unwrap();
    for number in 0..100 {
        fs::write(sandbox.dir().join(format!("x{number}")), "Born: 1\n").unwrap();
    }
    let mut install = sandbox.command("timeout");
    install.arg("30").arg(binary());
    let ended = install.args(["install", "--sweep-unfinished"]).finish();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(sandbox.entries(), [""; 0]);
}
