//! Words that are nearly right are answered with what was meant, and long options with one dash are
//! refused.

use crate::support::inspect::{assert_recorded_dead, assert_sentence};
use crate::support::sandbox::{Sandbox, Start, binary, words};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt as _;

#[test]
fn a_word_that_is_nearly_right_is_answered_with_what_was_meant() {
    for (line, meant) in [
        (
            "run --nmae main -- true",
            "unknown option --nmae: did you mean --name?",
        ),
        (
            "run --death-dep=main -- true",
            "unknown option --death-dep: did you mean --death-deps?",
        ),
        (
            "wait --time 3 main",
            "unknown option --time: did you mean --timeout?",
        ),
        (
            "status --jsno",
            "unknown option --jsno: did you mean --json?",
        ),
        (
            "signal --mesage x main",
            "unknown option --mesage: did you mean --message?",
        ),
        (
            "install --sweeps",
            "unknown option --sweeps: did you mean --sweep?",
        ),
        (
            "wait main:dead",
            "\"dead\" is not a state: did you mean died?",
        ),
        (
            "run --birth-deps main:Ready -- true",
            ": \"Ready\" is not a state: did you mean ready?",
        ),
        (
            "run --stop-signal TREM -- true",
            "\"TREM\": not a signal: did you mean TERM?",
        ),
        (
            "run --rewrite TERM:SIGQIUT -- true",
            ": not a signal: did you mean QUIT?",
        ),
        (
            "run --on-config HPU --config /x -- true",
            ": not a signal: did you mean HUP?",
        ),
        ("rnu -- true", "unknown applet \"rnu\": did you mean run?"),
        (
            "exitdir-wiat main",
            "unknown applet \"exitdir-wiat\": did you mean wait?",
        ),
        ("hlep run", "unknown applet \"hlep\": did you mean help?"),
        (
            "help statsu",
            "unknown applet \"statsu\": did you mean status?",
        ),
    ] {
        let sandbox = Sandbox::new();
        let ended = sandbox.command(binary()).args(words(line)).finish();
        let applet = match line.split(' ').next() {
            Some(name @ ("wait" | "signal" | "status" | "install" | "run")) => {
                format!("exitdir-{name}")
            }
            _ => "exitdir".to_owned(),
        };
        assert_sentence(&ended, &applet, 125);
        assert!(ended.stderr.contains(meant), "{line}: {}", ended.stderr);
    }
}

#[test]
fn a_long_option_with_one_dash_is_refused_and_counts_as_the_one_that_was_meant() {
    for line in [
        "-name main",
        "-name=main",
        "-birth-deps db -n main",
        "-death-deps=db -n main",
        "-timeout 3 -n main",
        "-exit-only -n main",
        "-quiet -name main",
    ] {
        let sandbox = Sandbox::new();
        let started = sandbox.path("started");
        let mut command = sandbox.run(words(line));
        let ended = command.args(["--", "touch"]).arg(&started).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        let typed = line.split([' ', '=']).next().unwrap();
        let meant = format!("unknown option {typed}: did you mean -{typed}?");
        assert!(ended.stderr.contains(&meant), "{line}: {}", ended.stderr);
        assert_eq!(sandbox.entries(), ["main"], "{line}");
        assert_recorded_dead(&sandbox, "main", 125);
        assert!(!started.exists(), "{line}");
    }
    // Whatever the value is.
    let sandbox = Sandbox::new();
    let value = OsStr::from_bytes(b"-dir=\xff");
    let ended = sandbox.run([value, OsStr::new("true")]).finish();
    assert_sentence(&ended, "exitdir-run", 125);
    assert!(ended.stderr.contains("unknown option -dir"), "{ended:?}");
    for line in [
        "wait -timeout 3 x",
        "wait -dir=/x x",
        "signal -message x",
        "install -dir x y",
    ] {
        let sandbox = Sandbox::new();
        let ended = sandbox.command(binary()).args(words(line)).finish();
        let (applet, _) = line.split_once(' ').unwrap();
        assert_sentence(&ended, &format!("exitdir-{applet}"), 125);
        assert!(
            ended.stderr.contains(": did you mean --"),
            "{}",
            ended.stderr
        );
        assert!(
            sandbox.entries().is_empty(),
            "{line}: {:?}",
            sandbox.entries()
        );
    }
}

#[test]
fn letters_with_values_and_letters_together_are_no_long_options() {
    let sandbox = Sandbox::new();
    let dir = format!("-d{}", sandbox.dir().display());
    let exits_3 = ["-gse3", "-nmain", "--", "sh", "-c", "exit 3"];
    let mut command = sandbox.run([&dir]);
    assert_eq!(
        command.env_remove("EXIT_DIR").args(exits_3).finish().status,
        0
    );
    let waited = sandbox.wait([&dir, "-xt1", "main"]).finish();
    assert_eq!((waited.status, waited.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.run(["-n", "ame", "--", "true"]).finish().status, 0);
    assert_eq!(sandbox.entries(), ["ame", "main"]);
    for applet in ["run", "wait", "signal", "status", "install"] {
        let ended = sandbox.applet(applet).arg("-help").finish();
        assert!(
            ended.stdout.starts_with("Usage: "),
            "{applet}: {}",
            ended.stderr
        );
    }
    // The other inits and kubexit have no long options.
    let mut tini = sandbox.command(binary());
    assert_eq!(
        tini.arg0("tini")
            .args(["-gse3", "sh", "-c", "exit 3"])
            .finish()
            .status,
        0
    );
    let mut kubexit = sandbox.applet("kubexit");
    let ended = kubexit.env("KUBEXIT_NAME", "main").arg("-name").finish();
    assert_eq!(ended.status, 127, "{}", ended.stderr);
}
