//! Which applet is called, and what all of them answer.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Start, World, binary};
use crate::support::users::installed;
use std::os::unix::process::CommandExt as _;

const APPLETS: [&str; 6] = [
    "exitdir-run",
    "exitdir-wait",
    "exitdir-signal",
    "exitdir-status",
    "exitdir-install",
    "kubexit",
];

fn version(name: &str) -> String {
    format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
}

#[test]
fn argv0_selects_the_applet_by_its_exact_file_name() {
    let world = World::new();
    let bin = installed(&world).parent().unwrap().to_owned();
    for name in APPLETS.into_iter().chain(["exitdir"]) {
        let absolute = world.command(bin.join(name)).arg("--version").finish();
        assert_eq!((absolute.status, absolute.stdout), (0, version(name)));
        let relative = world
            .command("sh")
            .args(["-c", "cd \"$0\" && ./\"$1\" --version"])
            .arg(&bin)
            .arg(name)
            .finish();
        assert_eq!((relative.status, relative.stdout), (0, version(name)));
        let bare = world.command(binary()).arg0(name).arg("--version").finish();
        assert_eq!((bare.status, bare.stdout), (0, version(name)));
    }
    for name in [
        "exitdir-wai",
        "exitdir-wait2",
        "Exitdir-wait",
        "wait",
        "exitdir-",
        "exitdir.bak",
        "init",
        "",
    ] {
        let ended = world.command(binary()).arg0(name).arg("--version").finish();
        assert_lists_applets(&ended);
    }
}

#[track_caller]
fn assert_lists_applets(ended: &crate::support::sandbox::Ended) {
    assert_sentence(ended, "exitdir", 125);
    for applet in APPLETS.map(short) {
        assert!(
            ended.stderr.contains(applet),
            "{applet} is not listed: {}",
            ended.stderr
        );
    }
}

#[test]
fn exitdir_takes_the_applet_from_its_first_argument() {
    let world = World::new();
    for name in APPLETS {
        let short = short(name);
        let ended = world.command(binary()).args([short, "--version"]).finish();
        assert_eq!((ended.status, ended.stdout), (0, version(name)));
    }
    for arguments in [
        &[][..],
        &["frobnicate"],
        &[""],
        &["Run"],
        &["--bogus"],
        &["-d", "/tmp", "wait"],
    ] {
        assert_lists_applets(&world.command(binary()).args(arguments).finish());
    }
}

fn short(applet: &str) -> &str {
    applet.strip_prefix("exitdir-").unwrap_or(applet)
}

/// Every way to call something that answers `--help` and `--version`.
fn callers() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let applets = APPLETS.into_iter().map(|name| (name, vec![short(name)]));
    applets.chain([("exitdir", vec![])])
}

#[test]
fn help_and_version_go_to_stdout_with_status_0_everywhere() {
    let world = World::new();
    for (name, words) in callers() {
        for option in ["-h", "--help", "-V", "--version"] {
            let ended = world
                .command(binary())
                .args(&words)
                .arg(option)
                .env_remove("EXIT_DIR")
                .finish();
            assert_eq!(
                (ended.status, ended.stderr.as_str()),
                (0, ""),
                "{name} {option}"
            );
            if option.contains('h') {
                assert!(
                    ended.stdout.starts_with(&format!("Usage: {name} ")),
                    "{name} {option}: {}",
                    ended.stdout
                );
                assert!(
                    ended.stdout.lines().all(|line| line.len() <= 120),
                    "{name} {option}: {}",
                    ended.stdout
                );
            } else {
                assert_eq!(ended.stdout, version(name), "{name} {option}");
            }
        }
    }
    assert!(world.entries().is_empty());
    // What follows the command is the command's.
    let ended = world.run(["printf", "%s\\n", "--help"]).finish();
    assert_eq!(ended.stdout, "--help\n");
    // A variable that is wrong does not keep anybody from reading how it is right.
    assert_eq!(
        world
            .run(["--help"])
            .env("EXITDIR_TIMEOUT", "soon")
            .finish()
            .status,
        0
    );
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    let world = World::new();
    world.signal(["main"]).finish();
    let calls = callers().flat_map(|(name, words)| {
        ["--help", "--version"].map(|option| (name, [words.clone(), vec![option]].concat()))
    });
    for (name, words) in calls.chain([
        ("exitdir-status", vec!["status"]),
        ("exitdir-status", vec!["status", "--json"]),
    ]) {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let ended = world.command(binary()).args(&words).stdout(full).finish();
        assert_sentence(&ended, name, 125);
        assert!(
            ended.stderr.contains("No space left on device"),
            "{words:?}: {}",
            ended.stderr
        );
    }
}
