//! The environment of CMD: without the options of exitdir-run, with the directory and the name that
//! are in force. And an exitdir-run or a kubexit inside another one.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Ended, Sandbox, Start, binary, entries};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The variables of the applets in an output of `env`, sorted.
fn ours(environment: &str) -> Vec<&str> {
    let lines: BTreeSet<&str> = environment
        .lines()
        .filter(|line| line.starts_with("EXIT") || line.starts_with("KUBEXIT"))
        .collect();
    lines.into_iter().collect()
}

/// A shell that runs a script, in which `exitdir` and `kubexit` are the binary under test.
fn below(command: &mut Command, sandbox: &Sandbox, script: &str) -> Ended {
    let bin = sandbox.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["exitdir", "kubexit"] {
        let _ = std::os::unix::fs::symlink(binary(), bin.join(name));
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .args(["sh", "-euc", script])
        .env("PATH", format!("{}:{path}", bin.display()))
        .finish()
}

fn kubexit(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.applet("kubexit");
    command
        .env_remove("EXIT_DIR")
        .env("KUBEXIT_GRAVEYARD", sandbox.dir())
        .env("KUBEXIT_NAME", "outer");
    command
}

#[test]
fn the_command_gets_the_directory_and_the_name_that_are_in_force() {
    let sandbox = Sandbox::new();
    let other = sandbox.path("other");
    let typed = sandbox
        .run(["-n", "typed", "--timeout", "1h", "-d"])
        .arg(&other)
        .arg("env")
        .env("EXITDIR_NAME", "variable")
        .finish();
    let dir = format!("EXIT_DIR={}", other.display());
    let expected = ["EXITDIR_NAME=typed", "EXITDIR_SUPERVISED=typed", &dir];
    assert_eq!(ours(&typed.stdout), expected);
    let set = sandbox
        .run(["env"])
        .env("EXITDIR_NAME", "set")
        .env("EXITDIR_TIMEOUT", "1h")
        .finish();
    let dir = format!("EXIT_DIR={}", sandbox.dir().display());
    let expected = ["EXITDIR_NAME=set", "EXITDIR_SUPERVISED=set", &dir];
    assert_eq!(ours(&set.stdout), expected);
}

#[test]
fn the_command_loses_all_variables_of_exitdir_but_those_of_services() {
    let sandbox = Sandbox::new();
    let services = ["EXITDIR_PORT=1", "EXITDIR_X_SERVICE_HOST=h"];
    let mut run = sandbox.run(["-q", "env"]);
    run.envs(services.iter().filter_map(|entry| entry.split_once('=')))
        .env("EXITDIR_POLL", "1s")
        .env("EXITDIR_COLOUR", "1")
        .env("EXITDIR_TIMEOUT", "")
        .env(OsStr::from_bytes(b"EXITDIR_\xff"), "1");
    let dir = format!("EXIT_DIR={}", sandbox.dir().display());
    let with_dir = run.finish();
    assert_eq!(ours(&with_dir.stdout), [services[0], services[1], &dir]);
    let without = run.env_remove("EXIT_DIR").finish();
    assert_eq!(ours(&without.stdout), services);
}

#[test]
fn an_exitdir_run_in_the_command_has_none_of_the_outer_ones_options() {
    let sandbox = Sandbox::new();
    let mut outer = sandbox.run(["-q"]);
    outer
        .env("EXITDIR_NAME", "outer")
        .env("EXITDIR_READY_ON", "signal")
        .env("EXITDIR_DEATH_DEPS", "absent")
        .env("EXITDIR_EXPECT_CODE", "5");
    let script = "exitdir run sh -c 'exit 5' || echo $?; exitdir run --name inner true; exit 5";
    let ended = below(&mut outer, &sandbox, script);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(ended.stdout, "5\n");
    assert_eq!(sandbox.entries(), ["inner", "outer"]);
    assert!(sandbox.key("inner", "Ready").is_some());
}

#[test]
fn a_script_can_name_the_life_of_an_exitdir_run_in_it() {
    let sandbox = Sandbox::new();
    let mut outer = sandbox.run(["-n", "outer"]);
    let script = "EXITDIR_NAME=inner exitdir run env; EXITDIR_NAME=outer exitdir run true";
    let ended = below(&mut outer, &sandbox, script);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.contains("EXITDIR_SUPERVISED=inner\n"));
    assert_eq!(sandbox.entries(), ["inner", "outer"]);
    // The name of a running life is refused where it is not the life around it.
    let typed = below(
        &mut sandbox.run(["-n", "outer"]),
        &sandbox,
        "exitdir run -n outer true",
    );
    assert_sentence(&typed, "exitdir-run", 125);
}

#[test]
fn below_an_exitdir_run_without_a_name_the_life_is_still_that_of_the_outer_one() {
    let sandbox = Sandbox::new();
    let mut outer = sandbox.run(["-n", "outer", "--ready-on", "signal"]);
    let script = "exitdir run exitdir run exitdir signal --ready; exitdir run exitdir wait :ready -t 0 || echo $?";
    let ended = below(&mut outer, &sandbox, script);
    assert_eq!(
        (ended.status, ended.stderr.contains("timed out")),
        (0, true)
    );
    // Its own life is not one of the others.
    assert_eq!(ended.stdout, "124\n");
    assert_eq!(sandbox.entries(), ["outer"]);
    assert!(sandbox.key("outer", "Ready").is_some());
}

#[test]
fn a_kubexit_in_a_kubexit_has_none_of_the_outer_ones_options() {
    let sandbox = Sandbox::new();
    let mut outer = kubexit(&sandbox);
    outer
        .env("KUBEXIT_BIRTH_DEPS", "proxy")
        .env("KUBEXIT_BIRTH_TIMEOUT", "1h");
    sandbox.record_ready("proxy");
    let script = "rm \"$EXIT_DIR/proxy\"; env; kubexit true; exitdir run true; KUBEXIT_NAME=inner KUBEXIT_BIRTH_DEPS= kubexit true";
    let ended = below(&mut outer, &sandbox, script);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.entries(), ["inner", "outer"]);
    // A program may read the variables of the original, which hands them on.
    let dir = sandbox.dir();
    let expected = [
        "EXITDIR_NAME=outer",
        "EXITDIR_SUPERVISED=outer",
        &format!("EXIT_DIR={}", dir.display()),
        "KUBEXIT_BIRTH_DEPS=proxy",
        "KUBEXIT_BIRTH_TIMEOUT=1h",
        &format!("KUBEXIT_GRAVEYARD={}", dir.display()),
        "KUBEXIT_NAME=outer",
    ];
    assert_eq!(ours(&ended.stdout), expected);
}

#[test]
fn a_kubexit_in_an_exitdir_run_has_the_name_that_its_own_variable_gives() {
    let sandbox = Sandbox::new();
    for (name, expected) in [("outer", &["outer"][..]), ("inner", &["inner", "outer"])] {
        let mut outer = sandbox.run(["-n", "outer"]);
        outer.env("KUBEXIT_NAME", name);
        let ended = below(&mut outer, &sandbox, "kubexit true");
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        assert_eq!(sandbox.entries(), expected);
    }
    let script = "unset EXITDIR_NAME; kubexit true";
    let nameless = below(&mut sandbox.run(["-n", "outer"]), &sandbox, script);
    assert_sentence(&nameless, "kubexit", 2);
}

#[test]
fn probes_and_checks_have_the_environment_of_the_command() {
    let sandbox = Sandbox::new();
    let seen = format!(
        "#!/bin/sh\nenv >\"{}/$$.seen\"\n",
        sandbox.path("").display()
    );
    let program = sandbox.program("program", &seen);
    std::fs::write(sandbox.path("config"), "1").unwrap();
    let run = sandbox
        .run(["-n", "main", "--ready-on"])
        .arg(format!("exec:{}", program.display()))
        .arg("--config-check")
        .arg(&program)
        .arg("--config")
        .arg(format!(
            "{}={}",
            sandbox.path("config").display(),
            sandbox.path("copy").display()
        ))
        .args(["sleep", "1000"])
        .env("EXITDIR_POLL", "1h")
        .start();
    sandbox.await_key("main", "Ready");
    let dir = format!("EXIT_DIR={}", sandbox.dir().display());
    let expected = ["EXITDIR_NAME=main", "EXITDIR_SUPERVISED=main", &dir];
    let names = entries(&sandbox.path(""));
    let outputs: Vec<String> = names
        .into_iter()
        .filter(|name| name.ends_with(".seen"))
        .collect();
    assert!(outputs.len() >= 2, "{outputs:?}");
    for output in outputs {
        assert_eq!(ours(&sandbox.read(&output)), expected);
    }
    drop(run);
}
