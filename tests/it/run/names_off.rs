//! `EXIT_DIR` that is set and empty switches names off: one value turns the feature off in a whole
//! chart.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Ended, Sandbox, Start, words};
use std::process::Command;

fn off(mut command: Command) -> Ended {
    command.env("EXIT_DIR", "").finish()
}

#[test]
fn with_an_empty_exit_dir_a_command_runs_without_tombstone_and_conditions_on_names() {
    let cases = [
        "-n main",
        "-n main --birth-deps db,:ok --birth-timeout 1h",
        "-n main --death-deps dead,:died --missing-timeout 0",
        "-n main --exit-only",
        "--exit-only",
        "-n main --ready-on signal",
        "-n main --birth-deps main --death-deps main --fail-fast",
    ];
    for case in cases {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "3");
        let mut run = sandbox.run(words(case));
        run.args(["--", "sh", "-c", "echo \"[$EXIT_DIR]\"; exit 7"]);
        let ended = off(run);
        ended.assert_output(7, "[]\n");
        assert_sentence(&ended, "exitdir-run", 7);
        let notice = "EXIT_DIR is empty, which switches names off";
        assert!(ended.stderr.contains(notice), "{case}: {}", ended.stderr);
        assert_eq!(sandbox.entries(), ["dead"], "{case}");
    }
}

#[test]
fn with_an_empty_exit_dir_nothing_is_said_where_no_name_is_used_and_quiet_is_quiet() {
    let cases = [
        "",
        "-v",
        "-q -n main --death-deps dead",
        "--timeout 1h",
        "--death-deps tcp:1",
    ];
    for case in cases {
        let sandbox = Sandbox::new();
        let mut run = sandbox.run(words(case));
        run.args(["--", "true"]);
        let ended = off(run);
        ended.assert_output(0, "");
        let told = [
            "exitdir-run: resolved options: ",
            "exitdir-run: started true",
        ];
        let is_told = |line: &str| told.iter().any(|told| line.starts_with(told));
        let said: Vec<&str> = ended.stderr.lines().filter(|line| !is_told(line)).collect();
        assert_eq!(said, [""; 0], "{case}");
    }
}

#[test]
fn the_variables_of_a_chart_do_nothing_with_an_empty_exit_dir_and_mistakes_in_them_are_still_errors()
 {
    let sandbox = Sandbox::new();
    let mut run = sandbox.run([
        "sh",
        "-c",
        "\"$exitdir\" signal -c 3 && echo \"$EXITDIR_NAME\"",
    ]);
    run.env("exitdir", crate::support::sandbox::binary());
    run.env("EXITDIR_NAME", "main")
        .env("EXITDIR_DEATH_DEPS", "other");
    off(run).assert_output(0, "main\n");
    for wrong in [
        "-n a/b",
        "--death-deps a:b",
        "--birth-deps ,",
        "--timeout x",
    ] {
        let mut run = sandbox.run(words(wrong));
        run.args(["--", "true"]);
        assert_sentence(&off(run), "exitdir-run", 125);
    }
    assert_eq!(sandbox.entries(), [""; 0]);
}

#[test]
fn the_option_dir_wins_over_an_empty_exit_dir_and_an_unset_one_is_an_error() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.run(["-d"]);
    run.arg(sandbox.dir()).args(["-n", "main", "--", "false"]);
    let ended = off(run);
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("1"));
    let mut wait = sandbox.wait(["--print", "-d"]);
    wait.arg(sandbox.dir()).arg("main");
    off(wait).assert_output(0, "main failed 1\n");
    let mut run = sandbox.run(["-n", "main", "--", "true"]);
    let ended = run.env_remove("EXIT_DIR").finish();
    assert_sentence(&ended, "exitdir-run", 125);
}

#[test]
fn with_an_empty_exit_dir_a_signal_and_a_sweep_do_nothing_and_a_probe_still_runs() {
    let sandbox = Sandbox::new();
    sandbox.record_death("dead", "3");
    for case in ["", "main", "--ready main", "-c 3 main", "-m text"] {
        let ended = off(sandbox.signal(words(case)));
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{case}");
    }
    let probe = sandbox.signal(["--ready", "main", "--", "sh", "-c", "echo probed; exit 7"]);
    off(probe).assert_output(7, "probed\n");
    assert_sentence(&off(sandbox.signal(["-c", "256"])), "exitdir-signal", 125);
    for sweep in ["--sweep", "--sweep-unfinished"] {
        let mut install = sandbox.applet("install");
        install.arg(sweep);
        let ended = off(install);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{sweep}");
    }
    let mut install = sandbox.applet("install");
    install.arg("--sweep").arg(sandbox.path("bin"));
    assert_eq!(off(install).status, 0);
    assert!(sandbox.path("bin/exitdir-run").exists());
    assert_eq!(sandbox.entries(), ["dead"]);
}

#[test]
fn with_an_empty_exit_dir_a_wait_for_a_name_and_a_table_end_with_125_and_say_why() {
    let sandbox = Sandbox::new();
    for case in [
        "main",
        ":died",
        "",
        "main:ready -t 0",
        "main -- true",
        "--any a b",
    ] {
        let ended = off(sandbox.wait(words(case)));
        assert_sentence(&ended, "exitdir-wait", 125);
        assert!(
            ended.stderr.contains("EXIT_DIR is empty"),
            "{}",
            ended.stderr
        );
    }
    let ended = off(sandbox.applet("status"));
    assert_sentence(&ended, "exitdir-status", 125);
    assert!(
        ended.stderr.contains("EXIT_DIR is empty"),
        "{}",
        ended.stderr
    );
}
