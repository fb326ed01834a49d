//! Variables that no option reads: typing errors are refused, the others are reported once, and
//! those that Kubernetes makes for a Service are neither.

use crate::support::inspect::{assert_recorded_dead, assert_sentence};
use crate::support::sandbox::{Ended, Sandbox, Start, binary};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The program and its argument: a command that must not be started.
const TOUCH: [&str; 2] = ["touch", "started"];

/// `exitdir-run` under the name `main`, in a directory of its own.
fn run(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.run(["-n", "main"]);
    command.args(words).current_dir(sandbox.path("."));
    command
}

/// The applet `kubexit` under the name `main`.
fn kubexit(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.command(binary());
    command.arg0("kubexit").env("KUBEXIT_NAME", "main");
    command.args(words).current_dir(sandbox.path("."));
    command
}

#[track_caller]
fn assert_refused(sandbox: &Sandbox, ended: &Ended, applet: &str, typed: &str, meant: &str) {
    assert_sentence(ended, applet, 125);
    let expected = format!("unknown variable {typed}: did you mean {meant}?");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert_recorded_dead(sandbox, "main", 125);
    let message = sandbox.key("main", "Message").unwrap_or_default();
    assert!(message.contains(&expected), "{message}");
    assert!(!sandbox.path("started").exists(), "{typed}");
}

#[test]
fn a_typing_error_in_a_variable_is_refused_with_the_name_that_was_meant() {
    for (typed, meant) in [
        ("EXITDIR_DEATH_DEP", "EXITDIR_DEATH_DEPS"),
        ("EXITDIR_DEATH_DEPSS", "EXITDIR_DEATH_DEPS"),
        ("EXITDIR_DAETH_DEPS", "EXITDIR_DEATH_DEPS"),
        ("EXITDIR_BIRTH-DEPS", "EXITDIR_BIRTH_DEPS"),
        ("EXITDIR_NAMES", "EXITDIR_NAME"),
        ("EXITDIR_QUITE", "EXITDIR_QUIET"),
        ("EXITDIR_DIR", "EXIT_DIR"),
    ] {
        let sandbox = Sandbox::new();
        let ended = run(&sandbox, &TOUCH).env(typed, "x").finish();
        assert_refused(&sandbox, &ended, "exitdir-run", typed, meant);
        let ended = kubexit(&sandbox, &TOUCH).env(typed, "x").finish();
        assert_refused(&sandbox, &ended, "kubexit", typed, meant);
    }
    for (typed, meant) in [
        ("KUBEXIT_DEATH_DEP", "KUBEXIT_DEATH_DEPS"),
        ("KUBEXIT_GRAVYARD", "KUBEXIT_GRAVEYARD"),
        ("KUBEXIT_POD_NAMES", "KUBEXIT_POD_NAME"),
    ] {
        let sandbox = Sandbox::new();
        let ended = kubexit(&sandbox, &TOUCH).env(typed, "x").finish();
        assert_refused(&sandbox, &ended, "kubexit", typed, meant);
    }
}

#[test]
fn a_typing_error_in_the_name_of_a_kubexit_is_the_error() {
    let sandbox = Sandbox::new();
    let mut command = kubexit(&sandbox, &["true"]);
    let ended = { &mut command }
        .env_remove("KUBEXIT_NAME")
        .env("KUBEXIT_NAMES", "main")
        .finish();
    assert_sentence(&ended, "kubexit", 125);
    let expected = "unknown variable KUBEXIT_NAMES: did you mean KUBEXIT_NAME?";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn every_other_unknown_variable_is_reported_once() {
    let variables = [("EXITDIR_COLOUR", "1"), ("EXITDIR_DEATH_DEPENDENCY", "x")];
    let notices = |applet: &str| {
        let notice = |(name, _)| format!("{applet}: unknown variable {name}: it has no effect\n");
        variables.map(notice).concat()
    };
    let sandbox = Sandbox::new();
    let fails = ["sh", "-c", "exit 3"];
    let ended = run(&sandbox, &fails).envs(variables).finish();
    assert_eq!(ended.status, 3);
    assert_eq!(ended.stderr, notices("exitdir-run"));
    let ended = kubexit(&sandbox, &fails).envs(variables).finish();
    assert_eq!(ended.status, 3);
    assert_eq!(ended.stderr, notices("kubexit"));
    let colour = ("KUBEXIT_COLOUR", "1");
    let ended = kubexit(&sandbox, &fails).envs([colour]).finish();
    let expected = "kubexit: unknown variable KUBEXIT_COLOUR: it has no effect\n";
    assert_eq!((ended.status, ended.stderr.as_str()), (3, expected));
}

#[test]
fn an_unknown_variable_is_not_reported_if_it_is_empty_or_with_quiet() {
    let colour = ("EXITDIR_COLOUR", "1");
    for (options, variables) in [
        (&["-q"][..], [colour, ("EXITDIR_DEATH_DEP", "")]),
        (&[], [colour, ("EXITDIR_QUIET", "1")]),
        (&[], [("EXITDIR_COLOUR", ""), ("EXITDIR_DIR", "")]),
    ] {
        let sandbox = Sandbox::new();
        let ended = run(&sandbox, options).arg("true").envs(variables).finish();
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{variables:?}"
        );
    }
}

#[test]
fn variables_that_kubernetes_makes_for_a_service_are_neither_errors_nor_reported() {
    let services = [
        "PORT",
        "PORT_80_TCP",
        "PORT_80_TCP_ADDR",
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "X_PORT",
        "X_PORT_80_TCP_PROTO",
        "X_SERVICE_HOST",
    ];
    let of = |prefix: &'static str| services.map(|name| (format!("{prefix}_{name}"), "1"));
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, &["true"]).envs(of("EXITDIR")).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let ended = kubexit(&sandbox, &["true"])
        .envs(of("EXITDIR"))
        .envs(of("KUBEXIT"))
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn the_variables_of_kubexit_and_its_forks_are_known_to_kubexit_alone() {
    let sandbox = Sandbox::new();
    let ignored = [
        "KUBEXIT_POD_NAME",
        "KUBEXIT_NAMESPACE",
        "KUBEXIT_LOG_LEVEL",
        "KUBEXIT_VERBOSE_LEVEL",
        "KUBEXIT_INSTANT_LOGGING",
    ];
    let ended = kubexit(&sandbox, &["true"])
        .envs(ignored.map(|name| (name, "1")))
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    // exitdir-run reads none of them, so a wrong one is not its concern.
    let variables = ["KUBEXIT_NAMES", "KUBEXIT_COLOUR", "KUBEXIT_DEATH_DEPS"];
    let ended = run(&sandbox, &["true"])
        .envs(variables.map(|name| (name, "x")))
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn the_other_applets_do_not_look_for_typing_errors() {
    let sandbox = Sandbox::new();
    sandbox.record_death("main", "0");
    for applet in ["wait", "signal", "status"] {
        let words: &[&str] = match applet {
            "wait" | "signal" => &["main"],
            _ => &[],
        };
        let ended = sandbox
            .applet(applet)
            .args(words)
            .env("EXITDIR_DEATH_DEP", "x")
            .env("EXITDIR_COLOUR", "1")
            .finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{applet}");
    }
}
