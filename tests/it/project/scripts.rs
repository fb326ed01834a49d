//! The scripts for developers: their usage, wrong arguments, and tools that are missing.

use crate::support::sandbox::{Ended, Sandbox, Start, repository};
use std::path::Path;
use std::process::Command;

const SCRIPTS: [&str; 11] = [
    "build",
    "test",
    "bench",
    "demo",
    "prepare",
    "fuzz",
    "sizes",
    "syscalls",
    "man",
    "completions",
    "release",
];

fn script(sandbox: &Sandbox, name: &str) -> Command {
    sandbox.command(repository().join("scripts").join(name))
}

/// A directory for `PATH` that holds the tools of the scripts, but nothing of Rust.
fn plain_tools(sandbox: &Sandbox) -> std::path::PathBuf {
    let dir = sandbox.path("tools");
    std::fs::create_dir(&dir).expect("a fresh directory");
    for tool in ["cat", "cc", "dirname", "grep", "id", "sed", "sh", "uname"] {
        let found = ["/usr/bin", "/bin"].map(|bin| Path::new(bin).join(tool));
        if let Some(program) = found.iter().find(|program| program.exists()) {
            std::os::unix::fs::symlink(program, dir.join(tool)).expect("a link");
        }
    }
    dir
}

#[track_caller]
fn assert_is_refused(ended: &Ended, name: &str, sentence: &str) {
    let usage = format!("\nUsage: scripts/{name}");
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{name}");
    assert!(
        ended.stderr.starts_with(sentence) && ended.stderr.contains(&usage),
        "{name}: {}",
        ended.stderr
    );
}

#[test]
fn every_script_shows_its_usage_on_request() {
    let sandbox = Sandbox::new();
    for name in SCRIPTS {
        for option in ["-h", "--help"] {
            let ended = script(&sandbox, name).arg(option).finish();
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{name}");
            let usage = format!("Usage: scripts/{name}");
            assert!(ended.stdout.starts_with(&usage), "{}", ended.stdout);
        }
    }
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_built() {
    let sandbox = Sandbox::new();
    for (name, arguments, sentence) in [
        ("build", &["arm"][..], "unknown architecture arm"),
        ("build", &["x86_64", "-x"], "unknown architecture -x"),
        ("prepare", &["arm"], "unknown architecture arm"),
        ("test", &["--short"], "unknown option --short"),
        ("test", &["--long", "-x"], "unknown option -x"),
        ("bench", &["stop"], "unknown figure stop"),
        ("bench", &["-n"], "-n needs a number of rounds"),
        ("bench", &["-n", "all"], "-n needs a number of rounds"),
        ("bench", &["-n", "0"], "-n needs a number of rounds"),
        ("bench", &["--write", "size"], "--write takes no figures"),
        ("bench", &["--report", "size"], "--report takes no figures"),
        (
            "bench",
            &["-n", "9", "--report", "-x"],
            "--report takes no figures",
        ),
        ("demo", &["fast"], "unknown argument fast"),
        ("demo", &["--keep"], "--keep needs a directory"),
        ("demo", &["--keep", ""], "--keep needs a directory"),
        ("demo", &["--keep", "-x"], "--keep needs a directory"),
        ("demo", &["--keep", "a", "b"], "unknown argument b"),
        (
            "demo",
            &["--keep", "a:b"],
            "a:b has a colon, so it cannot be in PATH",
        ),
        ("fuzz", &[], "expected one argument, the number of seconds"),
        (
            "fuzz",
            &["1", "2"],
            "expected one argument, the number of seconds",
        ),
        ("sizes", &["all"], "unknown argument all"),
        ("sizes", &["--write", "all"], "unknown argument all"),
        ("syscalls", &["all"], "unknown argument all"),
        ("man", &[], "expected one argument, the directory"),
        ("man", &["-x"], "unknown option -x"),
        ("completions", &[""], "the name of the directory is empty"),
        ("release", &["arm"], "unknown architecture arm"),
        ("release", &["--sign"], "unknown option --sign"),
        ("release", &["--output"], "--output needs a directory"),
        (
            "completions",
            &["a", "b"],
            "expected one argument, the directory",
        ),
        ("fuzz", &["0"], "0 is no number of seconds"),
        ("fuzz", &["10s"], "10s is no number of seconds"),
    ] {
        let ended = script(&sandbox, name).args(arguments).finish();
        assert_is_refused(&ended, name, &format!("scripts/{name}: {sentence}\n"));
    }
}

#[test]
fn without_cargo_a_script_says_what_to_install() {
    let sandbox = Sandbox::new();
    let tools = plain_tools(&sandbox);
    for (name, arguments) in [
        ("build", &[][..]),
        ("test", &[]),
        ("bench", &[]),
        ("demo", &[]),
        ("fuzz", &["1"]),
        ("sizes", &[]),
        ("syscalls", &[]),
        ("release", &[]),
    ] {
        let mut command = script(&sandbox, name);
        let ended = command.args(arguments).env("PATH", &tools).finish();
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let sentence = format!("scripts/{name}: cargo is missing: install Rust with rustup\n");
        assert_eq!((ended.status, said), (1, sentence));
    }
}

#[test]
fn a_filter_that_no_test_matches_is_an_error() {
    let sandbox = Sandbox::new();
    let tools = plain_tools(&sandbox);
    // It lists one test, as cargo does for a filter that matches.
    let cargo =
        "#!/bin/sh\nfor last do :; done\n[ \"$last\" != smoke ] || echo 'run::smoke: test'\n";
    let cargo = sandbox.program("cargo", cargo);
    std::fs::rename(cargo, tools.join("cargo")).expect("moved");
    for filters in [&["NO_SUCH_TEST"][..], &["smoke", "NO_SUCH_TEST"]] {
        let mut command = script(&sandbox, "test");
        let ended = command.args(filters).env("PATH", &tools).finish();
        assert_eq!(ended.status, 2, "{}", ended.stderr);
        let sentence = "scripts/test: no end-to-end test has NO_SUCH_TEST in its name\n";
        assert!(ended.stderr.starts_with(sentence), "{}", ended.stderr);
    }
}

#[test]
fn the_usage_of_the_benchmark_names_every_figure() {
    let sandbox = Sandbox::new();
    let help = script(&sandbox, "bench").arg("--help").finish().stdout;
    let source =
        std::fs::read_to_string(repository().join("benches/figures.rs")).expect("a source");
    let (_, list) = source.split_once("const FIGURES").expect("the list");
    let (list, _) = list.split_once("];").expect("the end of the list");
    let names: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(help.contains(name), "{name}: {help}");
        let ended = script(&sandbox, "bench").args([name, "--help"]).finish();
        assert!(
            ended.stderr.contains("unknown figure --help"),
            "{}",
            ended.stderr
        );
    }
}
