//! Which applet is called, and what all of them answer.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Sandbox, Start, binary};
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
    let sandbox = Sandbox::new();
    let bin = installed(&sandbox).parent().unwrap().to_owned();
    for name in APPLETS.into_iter().chain(["exitdir"]) {
        let absolute = sandbox.command(bin.join(name)).arg("--version").finish();
        assert_eq!((absolute.status, absolute.stdout), (0, version(name)));
        let relative = sandbox
            .command("sh")
            .args(["-c", "cd \"$0\" && ./\"$1\" --version"])
            .arg(&bin)
            .arg(name)
            .finish();
        assert_eq!((relative.status, relative.stdout), (0, version(name)));
        let bare = sandbox
            .command(binary())
            .arg0(name)
            .arg("--version")
            .finish();
        assert_eq!((bare.status, bare.stdout), (0, version(name)));
    }
    for name in [
        "exitdir-watch",
        "Exitdir-wait",
        "wait",
        "exitdir-",
        "exitdir.bak",
        "init",
        "",
    ] {
        let ended = sandbox
            .command(binary())
            .arg0(name)
            .arg("--version")
            .finish();
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
    let sandbox = Sandbox::new();
    for name in APPLETS {
        let short = short(name);
        let ended = sandbox
            .command(binary())
            .args([short, "--version"])
            .finish();
        assert_eq!((ended.status, ended.stdout), (0, version(name)));
    }
    for arguments in [
        &[][..],
        &["frobnicate"],
        &[""],
        &["watch"],
        &["--bogus"],
        &["-d", "/tmp", "wait"],
    ] {
        assert_lists_applets(&sandbox.command(binary()).args(arguments).finish());
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
    let sandbox = Sandbox::new();
    for (name, words) in callers() {
        for option in ["-h", "--help", "-V", "--version"] {
            let ended = sandbox
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
                    ended.stdout.lines().all(|line| line.len() <= 80),
                    "{name} {option}: {}",
                    ended.stdout
                );
            } else {
                assert_eq!(ended.stdout, version(name), "{name} {option}");
            }
        }
    }
    assert!(sandbox.entries().is_empty());
    // Arguments after the command belong to the command.
    let ended = sandbox.run(["printf", "%s\\n", "--help"]).finish();
    assert_eq!(ended.stdout, "--help\n");
    // A wrong variable does not prevent `--help`.
    assert_eq!(
        sandbox
            .run(["--help"])
            .env("EXITDIR_TIMEOUT", "soon")
            .finish()
            .status,
        0
    );
}

#[test]
fn exitdir_help_prints_the_help_of_an_applet_by_either_name() {
    let sandbox = Sandbox::new();
    let exitdir = |words: &[&str]| sandbox.command(binary()).args(words).finish();
    for name in APPLETS {
        let expected = exitdir(&[short(name), "--help"]).stdout;
        for name in [name, short(name)] {
            let ended = exitdir(&["help", name]);
            assert_eq!((ended.status, ended.stdout), (0, expected.clone()));
        }
    }
    let expected = exitdir(&["--help"]).stdout;
    for words in [&["help"][..], &["help", "exitdir"]] {
        assert_eq!(exitdir(words).stdout, expected, "{words:?}");
    }
    assert_lists_applets(&exitdir(&["help", "frobnicate"]));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.signal(["main"]).finish();
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
        let ended = sandbox.command(binary()).args(&words).stdout(full).finish();
        assert_sentence(&ended, name, 125);
        assert!(
            ended.stderr.contains("No space left on device"),
            "{words:?}: {}",
            ended.stderr
        );
    }
}
