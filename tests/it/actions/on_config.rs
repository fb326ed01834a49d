//! `--on-config` with actions or `none`: when they run, and what they find on their standard input.

use crate::support::managed_app::{await_rest, replace, write};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

/// Writes down its standard input between two lines, and waits for a file `go` if there is one
/// `wait`.
const HOOK: &str = "#!/bin/sh\n\
    { echo begin; cat; echo end; } >>told\n\
    while [ -e wait ] && [ ! -e go ]; do sleep 0.02; done\n";

/// A command that says how often it was started, and that ignores HUP.
const CMD: &str = "trap '' HUP; echo start >>starts; while [ -e starts ]; do sleep 0.02; done";

struct App {
    sandbox: Sandbox,
    running: Running,
}

impl App {
    /// `exitdir-run --on-config ACTIONS OPTIONS` in the sandbox.
    fn start(sandbox: Sandbox, actions: &str, options: &[&str]) -> App {
        let stderr = fs::File::create(sandbox.path("stderr")).unwrap();
        let mut command = sandbox.run(["--poll", "off", "--on-config", actions]);
        command
            .args(options)
            .args(["--", "sh", "-c", CMD])
            .current_dir(sandbox.path("."))
            .stdout(Stdio::null())
            .stderr(stderr);
        let running = command.start();
        sandbox.await_file("starts");
        App { sandbox, running }
    }

    fn with_hook(sandbox: Sandbox, options: &[&str]) -> App {
        sandbox.program("hook", HOOK);
        App::start(sandbox, "exec:./hook", options)
    }

    /// Waits for as many runs of the program; the lists that they got.
    fn await_lists(&self, count: usize) -> Vec<Vec<String>> {
        let ends = |lines: &[String]| lines.iter().filter(|line| *line == "end").count();
        wait_until(
            format!("{count} lists; {:?}", self.sandbox.lines("told")),
            || ends(&self.sandbox.lines("told")) >= count,
        );
        let lines = self.sandbox.lines("told");
        let lists = lines.split(|line| line == "begin").skip(1);
        lists.map(|list| list[..list.len() - 1].to_vec()).collect()
    }

    /// Ends it, and checks that the command was started once.
    fn end(self) -> String {
        self.running.send(TERM);
        assert_eq!(self.running.end().status, 143);
        assert_eq!(self.sandbox.lines("starts"), ["start"]);
        self.sandbox.read("stderr")
    }
}

#[test]
fn a_program_gets_the_list_of_changed_files_of_a_copy_and_of_a_source() {
    for copied in [true, false] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("v1")).unwrap();
        fs::create_dir(sandbox.path("v2")).unwrap();
        for (file, text) in [("v1/same", "1"), ("v1/gone", "1"), ("v1/new\nline", "1")] {
            write(&sandbox, file, text);
        }
        for (file, text) in [("v2/same", "1"), ("v2/added", "1"), ("v2/new\nline", "2")] {
            write(&sandbox, file, text);
        }
        symlink("v1", sandbox.path("conf")).unwrap();
        let (config, path) = match copied {
            true => ("conf=run/copy", "run/copy"),
            false => ("conf", "conf"),
        };
        let app = App::with_hook(sandbox, &["--config", config]);
        symlink("v2", app.sandbox.path("next")).unwrap();
        fs::rename(app.sandbox.path("next"), app.sandbox.path("conf")).unwrap();
        let expected = [
            format!("C {path}/added"),
            format!("M {path}/new\\0012line"),
            format!("D {path}/gone"),
        ];
        assert_eq!(app.await_lists(1), [expected]);
        // Only what has changed since then.
        write(&app.sandbox, "v2/same", "2");
        assert_eq!(app.await_lists(2)[1], [format!("M {path}/same")]);
        app.end();
    }
}

#[test]
fn a_source_that_is_one_file_is_one_line_and_a_failure_is_reported() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "1");
    write(&sandbox, "b", "1");
    sandbox.program("hook", &format!("{HOOK}exit 3\n"));
    let app = App::start(sandbox, "exec:./hook", &["--config", "a,b=run/b"]);
    replace(&app.sandbox, "a", "2");
    assert_eq!(app.await_lists(1), [["M a"]]);
    wait_until("the failure is reported", || {
        let said = app.sandbox.read("stderr");
        said.contains("exitdir-run: --on-config: ./hook exited with 3\n")
    });
    await_rest(&app.running);
    replace(&app.sandbox, "b", "2");
    assert_eq!(app.await_lists(2)[1], ["M run/b"]);
    app.end();
}

#[test]
fn changes_while_the_actions_run_are_one_more_run_with_all_of_them() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "1");
    write(&sandbox, "b", "1");
    sandbox.touch("wait");
    let app = App::with_hook(sandbox, &["--config", "a,b"]);
    write(&app.sandbox, "a", "2");
    app.await_lists(1);
    for (name, count) in [("a", 2), ("b", 3)] {
        write(&app.sandbox, name, "3");
        wait_until("it is noticed", || {
            let said = app.sandbox.read("stderr");
            said.matches("a new configuration: ").count() == count
        });
    }
    app.sandbox.touch("go");
    assert_eq!(app.await_lists(2), [vec!["M a"], vec!["M a", "M b"]]);
    app.end();
}

#[test]
fn a_program_that_does_not_read_its_input_holds_nothing_up() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("v1")).unwrap();
    fs::create_dir(sandbox.path("v2")).unwrap();
    write(&sandbox, "v1/a", "1");
    // More than a pipe holds, and more than a list holds.
    for number in 0..3_000 {
        write(&sandbox, &format!("v2/{number}{}", "x".repeat(100)), "1");
    }
    symlink("v1", sandbox.path("conf")).unwrap();
    sandbox.program(
        "hook",
        "#!/bin/sh\n[ -e read ] && exec ./list\necho ran >>ran; exec sleep 60\n",
    );
    sandbox.program("list", HOOK);
    let app = App::start(sandbox, "exec:./hook", &["--config", "conf"]);
    symlink("v2", app.sandbox.path("next")).unwrap();
    fs::rename(app.sandbox.path("next"), app.sandbox.path("conf")).unwrap();
    app.sandbox.await_file("ran");
    app.end();
}

#[test]
fn a_list_that_is_too_long_ends_with_the_source_itself() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("v1")).unwrap();
    fs::create_dir(sandbox.path("v2")).unwrap();
    write(&sandbox, "v1/a", "1");
    for number in 0..3_000 {
        write(&sandbox, &format!("v2/{number}{}", "x".repeat(100)), "1");
    }
    symlink("v1", sandbox.path("conf")).unwrap();
    let app = App::with_hook(sandbox, &["--config", "conf"]);
    symlink("v2", app.sandbox.path("next")).unwrap();
    fs::rename(app.sandbox.path("next"), app.sandbox.path("conf")).unwrap();
    let lists = app.await_lists(1);
    let list = &lists[0];
    assert!(list.len() > 2_000 && list.len() < 3_000, "{}", list.len());
    assert_eq!(list.last().map(String::as_str), Some("M conf"));
    app.end();
}

#[test]
fn with_none_a_change_reaches_the_copy_and_nothing_else_happens() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "1");
    let app = App::start(sandbox, "none", &["--config", "a=run/a"]);
    replace(&app.sandbox, "a", "2");
    wait_until("it is copied", || app.sandbox.read("run/a") == "2\n");
    await_rest(&app.running);
    assert_eq!(app.end(), "");
}

#[test]
fn actions_exclude_words_and_a_stop_signal_is_refused() {
    for (options, sentence) in [
        (
            vec!["--on-config", "HUP", "--on-config", "sleep:1"],
            "--on-config is \"HUP\": expected exec:PROG [ARG]..., post:[HOST:]PORT/PATH",
        ),
        (
            vec!["--on-config", "maybe"],
            "--on-config is \"maybe\": expected restart, none, a signal, as in HUP, or an action",
        ),
        (
            vec!["--on-config", "exec:/a,post:80/x"],
            "exec: takes the rest: write it last, or repeat the option",
        ),
    ] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.run(options);
        let ended = command.args(["--config", "a", "--", "true"]).finish();
        assert_eq!(ended.status, 125, "{ended:?}");
        assert!(ended.stderr.contains(sentence), "{ended:?}");
    }
}
