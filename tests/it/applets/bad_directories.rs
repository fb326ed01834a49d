//! Exit directories that cannot be used.

use crate::support::inspect::assert_sentence;
use crate::support::namespaces::{READ_ONLY, with_mounts};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, words};
use crate::support::users::{as_nobody, installed, nobody_is_permitted, set_mode};
use std::process::Command;

/// One call of each applet that uses the directory; the output of `run` would show that CMD was
/// started.
const USES: [&str; 6] = [
    "wait -t 0 main",
    "signal main",
    "status",
    "install --sweep",
    "install --sweep-unfinished",
    "run -n main -- echo started",
];

#[track_caller]
fn assert_refused(command: &mut Command, case: &str, why: &str) {
    let ended = command.finish();
    assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
    assert!(ended.stderr.contains(why), "{case}: {}", ended.stderr);
    assert_eq!(ended.stdout, "", "{case}");
}

#[test]
fn a_file_in_place_of_the_directory_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("file"), "precious\n").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.path("fifo"), 0o666.into()).unwrap();
    std::os::unix::fs::symlink("loop", sandbox.path("loop")).unwrap();
    let long = "d".repeat(300);
    let places = [
        ("file", "Not a directory"),
        ("file/below", "Not a directory"),
        ("fifo", "Not a directory"),
        // The common part of the texts of glibc and musl.
        ("loop", "ymbolic link"),
        (&long, "too long"),
    ];
    for case in USES {
        for (place, why) in places {
            assert_refused(
                sandbox
                    .command(binary())
                    .args(words(case))
                    .env("EXIT_DIR", sandbox.path(place)),
                case,
                why,
            );
        }
    }
    assert_eq!(
        std::fs::read_to_string(sandbox.path("file")).unwrap(),
        "precious\n"
    );
}

#[test]
fn a_dangling_link_in_place_of_the_directory_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("nowhere", sandbox.dir()).unwrap();
    for case in USES {
        let ended = sandbox.command(binary()).args(words(case)).finish();
        assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
        assert_eq!(ended.stdout, "", "{case}");
    }
}

#[test]
fn a_directory_without_permission_is_one_sentence_and_125() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    for (place, mode) in [("locked", 0o700), ("readable", 0o755)] {
        std::fs::create_dir(sandbox.path(place)).unwrap();
        std::fs::create_dir(sandbox.path(place).join("inner")).unwrap();
        set_mode(&sandbox.path(place), mode);
    }
    let nobody = |case: &str, place: &str| {
        let mut command = as_nobody(&sandbox, &binary);
        command
            .args(words(case))
            .env("EXIT_DIR", sandbox.path(place));
        command
    };
    for case in USES {
        assert_refused(&mut nobody(case, "locked/inner"), case, "Permission denied");
    }
    assert_refused(
        &mut nobody("wait -t 0 main", "locked"),
        "wait",
        "Permission denied",
    );
    for case in ["signal main", "run -n main -- echo started"] {
        assert_refused(&mut nobody(case, "locked"), case, "Permission denied");
        assert_refused(&mut nobody(case, "readable"), case, "Permission denied");
    }
    assert_eq!(
        nobody("wait -t 0 main", "readable").finish().status,
        124,
        "a reader needs no more"
    );
    assert_refused(
        &mut nobody("wait main", "readable/new"),
        "wait",
        "Permission denied",
    );
}

#[test]
fn a_read_only_directory_is_one_sentence_and_125_for_applets_that_write() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let inside = |case: &str| {
        let mut command = with_mounts(&sandbox, READ_ONLY, binary());
        command.args(words(case));
        command
    };
    if !is_permitted("a mount", &mut inside("--version")) {
        return;
    }
    for case in ["signal main", "run -n main -- echo started"] {
        assert_refused(&mut inside(case), case, "Read-only file system");
    }
    assert_eq!(
        inside("wait -t 0 main").finish().status,
        124,
        "a reader needs no more"
    );
    assert!(sandbox.entries().is_empty());
}

#[test]
fn a_directory_in_which_nothing_can_be_created_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    for case in [
        "signal main",
        "signal -r main",
        "run -n main -- echo started",
    ] {
        // The working directory has been removed; nothing can be created in it, or in /proc.
        let removed = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
        let mut inside = sandbox.command("sh");
        inside
            .args(["-c", removed, "sh"])
            .arg(binary())
            .args(words(case))
            .env("EXIT_DIR", ".")
            .current_dir(sandbox.dir());
        for command in [
            &mut inside,
            sandbox
                .command(binary())
                .args(words(case))
                .env("EXIT_DIR", "/proc"),
        ] {
            let ended = command.finish();
            assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
            assert_eq!(ended.stdout, "", "CMD was started");
        }
    }
}
