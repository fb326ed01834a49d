//! The options of `exitdir-run`, as words and as variables. The tests of bad ones are in
//! `applets/bad_usage.rs`.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Sandbox, Start};

/// Variables without their `EXITDIR_`, with their values.
type EnvVars = &'static [(&'static str, &'static str)];

#[test]
fn every_option_can_be_given_as_a_variable() {
    const NEVER: (&str, &str) = ("BIRTH_DEPS", "never");
    let cases: [(EnvVars, &str, i32); 21] = [
        (&[("NAME", "main")], "true", 0),
        (&[("NAME", "main"), ("EXIT_ONLY", "true")], "true", 0),
        (&[NEVER, ("BIRTH_TIMEOUT", "10ms")], "true", 124),
        (
            &[NEVER, ("BIRTH_TIMEOUT", "10ms"), ("START_ANYWAY", "1")],
            "false",
            1,
        ),
        (
            &[("DEATH_DEPS", "mian"), ("MISSING_TIMEOUT", "0")],
            "true",
            124,
        ),
        (&[("BIRTH_DEPS", "dead"), ("FAIL_FAST", "1")], "true", 143),
        (&[("DEATH_DEPS", "dead")], "true", 143),
        (&[("DEATH_DEPS", "dead"), ("STOP_CODE", "cause")], "true", 3),
        (&[("DEATH_DEPS", "dead"), ("STOP_CODE", "42")], "true", 42),
        (&[("DEATH_DEPS", "dead:ok,dead:failed")], "true", 143),
        (
            &[("DEATH_DEPS", "dead"), ("STOP_SIGNAL", "SIGUSR1")],
            "true",
            138,
        ),
        (&[("TIMEOUT", "10ms")], "sleep 60", 124),
        (
            &[("TIMEOUT", "10ms"), ("STOP_CODE", "own")],
            "sleep 60",
            143,
        ),
        (
            &[
                ("TIMEOUT", "10ms"),
                ("STOP_CODE", "own"),
                ("STOP_SIGNAL", "int"),
            ],
            "sleep 60",
            130,
        ),
        (
            &[
                ("TIMEOUT", "10ms"),
                ("STOP_CODE", "own"),
                ("STOP_SIGNAL", "CONT"),
                ("GRACE_PERIOD", "10ms"),
            ],
            "sleep 60",
            137,
        ),
        (&[("EXPECT_CODE", "1,2,3")], "false", 0),
        (&[("EXPECT_CODE", "any")], "false", 0),
        (&[("EXPECT_CODE", "3, 0-1")], "false", 0),
        (&[("EXPECT_CODE", "3,10-12")], "false", 1),
        (
            &[
                ("POLL", "20ms"),
                ("GROUP", "1"),
                ("READY_ON", "start"),
                ("VERBOSE", "0"),
                ("QUIET", "0"),
            ],
            "false",
            1,
        ),
        (
            &[
                ("NAME", "main"),
                ("READY_ON", "signal"),
                ("EXIT_ONLY", "0"),
                ("STOP_CODE", "cause"),
            ],
            "true",
            0,
        ),
    ];
    for (variables, command, status) in cases {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "3");
        let mut run = sandbox.run(command.split(' '));
        run.envs(
            variables
                .iter()
                .map(|(name, value)| (format!("EXITDIR_{name}"), value)),
        );
        let ended = run.finish();
        assert_eq!(ended.status, status, "{variables:?}: {}", ended.stderr);
        let named = variables.iter().any(|(name, _)| *name == "NAME");
        assert_eq!(
            sandbox.entries().contains(&"main".to_owned()),
            named,
            "{variables:?}"
        );
        let ready = !variables
            .iter()
            .any(|(name, value)| *name == "EXIT_ONLY" && *value == "true" || *value == "signal");
        assert_eq!(
            sandbox.key("main", "Ready").is_some(),
            named && ready,
            "{variables:?}"
        );
    }
}

#[test]
fn the_command_line_wins_over_variables_and_an_empty_variable_counts_as_unset() {
    let cases: [(&[&str], EnvVars, &str, i32); 9] = [
        (&["-n", "main"], &[("NAME", "other")], "true", 0),
        (
            &["--birth-timeout", "10ms"],
            &[("BIRTH_TIMEOUT", "1h"), ("BIRTH_DEPS", "never")],
            "true",
            124,
        ),
        (
            &["--death-deps", "never"],
            &[("DEATH_DEPS", "dead")],
            "false",
            1,
        ),
        (
            &["--timeout", "10ms"],
            &[("TIMEOUT", "soon")],
            "sleep 60",
            124,
        ),
        (&["-e", "1"], &[("EXPECT_CODE", "2")], "false", 0),
        (&["-e", "2"], &[("EXPECT_CODE", "1")], "false", 1),
        (
            &["--stop-signal", "INT", "--death-deps", "dead"],
            &[("STOP_SIGNAL", "USR1")],
            "true",
            130,
        ),
        (
            &["--stop-code=own", "--timeout=10ms"],
            &[("STOP_CODE", "42")],
            "sleep 60",
            143,
        ),
        (
            &[],
            &[
                ("NAME", ""),
                ("EXIT_ONLY", ""),
                ("BIRTH_DEPS", ""),
                ("BIRTH_TIMEOUT", ""),
                ("DEATH_DEPS", ""),
                ("GRACE_PERIOD", ""),
                ("STOP_SIGNAL", ""),
                ("TIMEOUT", ""),
                ("STOP_CODE", ""),
                ("EXPECT_CODE", ""),
                ("GROUP", ""),
                ("READY_ON", ""),
                ("POLL", ""),
                ("VERBOSE", ""),
                ("QUIET", ""),
            ],
            "false",
            1,
        ),
    ];
    for (options, variables, command, status) in cases {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "3");
        let mut run = sandbox.run(options);
        run.args(command.split(' ')).envs(
            variables
                .iter()
                .map(|(name, value)| (format!("EXITDIR_{name}"), value)),
        );
        let ended = run.finish();
        assert_eq!(
            ended.status, status,
            "{options:?} {variables:?}: {}",
            ended.stderr
        );
        assert!(
            !sandbox.entries().contains(&"other".to_owned()),
            "{options:?}"
        );
    }
    let sandbox = Sandbox::new();
    let ended = sandbox
        .run(["-n", "main", "-d"])
        .arg(sandbox.path("elsewhere"))
        .args(["--", "true"])
        .finish();
    assert_eq!(ended.status, 0);
    assert_eq!(
        crate::support::sandbox::entries(&sandbox.path("elsewhere")),
        ["main"],
        "-d wins over EXIT_DIR"
    );
    assert!(sandbox.entries().is_empty());
}

#[test]
fn lists_are_separated_by_commas_and_options_may_be_repeated() {
    for options in [
        &["--death-deps", "a,b,dead"][..],
        &["--death-deps", "a,b", "--death-deps", "dead"],
        &["--death-deps=dead", "--death-deps=a"],
    ] {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "3");
        assert_eq!(
            sandbox.run(options).args(["--", "true"]).finish().status,
            143,
            "{options:?}"
        );
    }
    for options in [
        &["-e1,2"][..],
        &["-e2", "-e1"],
        &["-e", "1", "-e", "2"],
        &["--expect-code=2,1"],
    ] {
        let sandbox = Sandbox::new();
        assert_eq!(
            sandbox.run(options).args(["--", "false"]).finish().status,
            0,
            "{options:?}"
        );
    }
    for (option, list, script, status) in [
        ("--death-deps", " a , b:ok,\n dead\t", "true", 143),
        ("--expect-code", " 1 ,\t2 ", "exit 2", 0),
        (
            "--rewrite",
            "HUP:0 , TERM:USR1",
            "kill $PPID; sleep 60",
            138,
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "3");
        let typed = sandbox.run([option, list, "sh", "-c", script]).finish();
        assert_eq!(typed.status, status, "{option} {list:?}: {}", typed.stderr);
        let variable = option
            .to_uppercase()
            .replace("--", "EXITDIR_")
            .replace('-', "_");
        let mut set = sandbox.run(["sh", "-c", script]);
        let set = set.env(variable, list).finish();
        assert_eq!(set.status, status, "{option} {list:?}: {}", set.stderr);
    }
    let sandbox = Sandbox::new();
    sandbox.record_death("a", "0");
    let both = [
        "--birth-deps",
        "a:ok,b:ok",
        "--birth-timeout",
        "0",
        "--",
        "true",
    ];
    assert_eq!(
        sandbox.run(both).finish().status,
        124,
        "all birth dependencies must hold"
    );
    sandbox.record_death("b", "0");
    assert_eq!(sandbox.run(both).finish().status, 0);
    // Of several that hold at once, the first in the order of the options decides.
    sandbox.record_death("c", "3");
    for (order, status, cause) in [("a,c", 0, "a"), ("c,a", 143, "c"), ("x,c,a", 143, "c")] {
        let ended = sandbox
            .run(["-n", "main", "--death-deps", order, "--", "true"])
            .finish();
        assert_eq!(
            (ended.status, sandbox.key("main", "Cause").as_deref()),
            (status, Some(cause)),
            "{order}"
        );
    }
}

#[test]
fn expected_codes_count_as_success() {
    for (options, script, status) in [
        ("-e 3", "exit 3", 0),
        ("-e 3", "exit 4", 4),
        ("-e 143", "kill $$", 0),
        ("-e 137,143", "kill -9 $$", 0),
        ("-e 0", "exit 0", 0),
        ("-e 255", "exit 255", 0),
    ] {
        let sandbox = Sandbox::new();
        let ended = sandbox
            .run(["-n", "main"])
            .args(options.split(' '))
            .args(["--", "sh", "-c", script])
            .finish();
        assert_eq!(ended.status, status, "{options}: {script}");
        assert_eq!(
            sandbox.key("main", "ExitCode"),
            Some(status.to_string()),
            "what exitdir-run itself exits with"
        );
    }
}

#[test]
fn without_arguments_the_usage_comes_before_the_error() {
    let ended = Sandbox::new().run([""; 0]).finish();
    assert_eq!((ended.status, ended.stdout.as_str()), (125, ""));
    assert!(ended.stderr.starts_with("Usage: exitdir-run "));
    let last = ended.stderr.lines().last().unwrap();
    assert_eq!(last, "exitdir-run: no CMD to run (see exitdir-run --help)");
}

#[test]
fn help_lists_at_most_36_options_and_w_is_not_one_of_them() {
    let help = Sandbox::new().run(["--help"]).finish().stdout;
    let options = help
        .lines()
        .filter(|line| line.starts_with("  -") || line.starts_with("      --"));
    let options: Vec<&str> = options.collect();
    assert!((20..=36).contains(&options.len()), "{options:#?}");
    assert!(!options.iter().any(|line| line.starts_with("  -w")));
    assert_eq!(Sandbox::new().run(["-w", "true"]).finish().status, 0);
}

#[test]
fn chld_is_refused_as_the_signal_of_a_stop_and_of_the_parents_death() {
    for option in ["--stop-signal", "-p"] {
        let ended = Sandbox::new().run([option, "CHLD", "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("CHLD"), "{}", ended.stderr);
    }
}

#[test]
fn one_notice_says_that_tinis_variables_have_no_effect() {
    let variables = [("TINI_SUBREAPER", ""), ("TINI_VERBOSITY", "3")];
    let ended = Sandbox::new().run(["true"]).envs(variables).finish();
    assert_eq!(ended.status, 0);
    assert_sentence_of_notice(&ended.stderr);
    let ended = Sandbox::new()
        .run(["true"])
        .env("TINI_VERSION", "v0.19.0")
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

fn assert_sentence_of_notice(stderr: &str) {
    assert!(
        stderr.starts_with("exitdir-run: TINI_ variables"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
