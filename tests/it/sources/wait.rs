//! `exitdir-wait` for sources.

use crate::support::inspect::{assert_sentence, await_any_sleep};
use crate::support::sandbox::{Sandbox, Start, binary, wait_until};
use crate::support::servers::Server;
use std::os::unix::net::UnixListener;
use std::process::Command;

/// `exitdir-wait` as in an image that knows of no exit directory.
fn wait(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.wait(arguments);
    command.env_remove("EXIT_DIR");
    command
}

#[test]
fn a_wait_for_a_port_needs_no_exit_directory_and_then_executes_the_command() {
    let sandbox = Sandbox::new();
    let server = Server::closed();
    let here = format!("tcp:localhost:{}", server.port);
    for source in [server.tcp(), here, server.http()] {
        let arguments = [&source, "-t", "30s", "--", "echo", "served"];
        let waiter = wait(&sandbox, &arguments).start();
        await_any_sleep(&waiter);
        server.listen();
        waiter.end().assert_output(0, "served\n");
        server.close();
    }
    assert!(!sandbox.dir().exists());
    let ended = wait(&sandbox, &[&server.tcp(), "main"]).finish();
    assert_sentence(&ended, "exitdir-wait", 125);
}

/// More distinct sources than there are descriptors.
fn many(server: &Server) -> String {
    let paths = (0..100).map(|number| format!("http:{}/{number}", server.port));
    paths.collect::<Vec<String>>().join(",")
}

#[test]
fn many_sources_are_tried_in_turns_and_leave_descriptors_for_the_command() {
    let sandbox = Sandbox::new();
    let (open, hung) = (Server::open(), Server::hung());
    let script =
        "ulimit -n 24; \"$2\" wait -t 0 \"$0\" && \"$2\" run --death-deps \"$1\" -- echo ran";
    let mut shell = sandbox.command("sh");
    let shell = shell.args(["-c", script, &many(&open), &many(&hung)]);
    let shell = shell.arg(binary());
    shell
        .env_remove("EXIT_DIR")
        .finish()
        .assert_output(0, "ran\n");
}

#[test]
fn a_timeout_of_0_is_one_try_of_each_source() {
    let sandbox = Sandbox::new();
    let (open, closed, silent) = (Server::open(), Server::closed(), Server::hung());
    let socket = sandbox.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let unix = format!("unix:{}", socket.display());
    let file = format!("file:{}", sandbox.path("file").display());
    let once = |sources: &[&str]| {
        let mut arguments = vec!["-t", "0", "--print"];
        arguments.extend(sources);
        wait(&sandbox, &arguments).finish()
    };
    let (tcp, http) = (open.tcp(), open.http());
    let printed = format!("{tcp} answers -\n{unix} answers -\n{http} answers -\n");
    once(&[&tcp, &format!("{unix}, {http}")]).assert_output(0, &printed);
    for (source, why) in [
        (closed.tcp(), "connection refused"),
        (closed.http(), "connection refused"),
        (file.clone(), "it does not exist"),
        (silent.http(), "no answer"),
    ] {
        let ended = once(&[&tcp, &source]);
        assert_sentence(&ended, "exitdir-wait", 124);
        let says = format!("timed out after 0s: {source} does not hold (");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        // One of them is enough.
        let any = format!("{tcp} answers -\n");
        once(&["--any", &source, &tcp]).assert_output(0, &any);
    }
    sandbox.touch("file");
    open.set_status(503);
    let ended = once(&[&file, &http]);
    let says = format!("{http} does not hold (its status is 503)");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    open.set_status(302);
    let printed = format!("{file} answers -\n{http} answers -\n");
    once(&[&file, &http]).assert_output(0, &printed);
}

#[test]
fn the_exit_code_of_a_source_is_0() {
    let sandbox = Sandbox::new();
    let server = Server::closed();
    sandbox.record_death("main", "3");
    let source = server.tcp();
    let waiter = sandbox.wait(["--exit-code", "main", &source]).start();
    await_any_sleep(&waiter);
    server.listen();
    waiter.end().assert_output(0, "");
    let later = sandbox.wait(["--exit-code", &source, "later"]).start();
    wait_until("it was tried twice", || server.tries() > 1);
    sandbox.record_death("later", "4");
    later.end().assert_output(4, "");
}

#[test]
fn what_is_no_condition_is_refused_in_one_sentence() {
    let sandbox = Sandbox::new();
    for (condition, why) in [
        (
            "db:5432",
            "\"5432\" is not a state: did you mean tcp:db:5432?",
        ),
        ("tcp:rady", "\"rady\" has no port: expected [HOST:]PORT"),
        ("db:exit=300", "expected exit=N, N from 0 to 255"),
        ("a++b", "empty condition"),
        ("a,,b", "empty condition"),
        (
            "exec:/x",
            "exec: is not a condition: it is an action, and a source of --ready-on",
        ),
        ("http:80/a b", "no blanks inside a condition"),
        (
            "https://h/x",
            "no TLS: let the server's exitdir-run ask with --ready-on exec:PROG, and wait for its NAME",
        ),
    ] {
        let ended = sandbox.wait([condition]).finish();
        assert_sentence(&ended, "exitdir-wait", 125);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        let ended = sandbox.run(["--birth-deps", condition, "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    // An empty value is not what was typed.
    let ended = sandbox.run(["--birth-deps", "a,", "true"]).finish();
    assert!(
        ended.stderr.contains("--birth-deps is \"a,\": "),
        "{ended:?}"
    );
    let ended = sandbox
        .run(["--death-deps", "a+file:/done", "true"])
        .finish();
    assert_sentence(&ended, "exitdir-run", 125);
    let why = "a file cannot die: write the death into the exit directory";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    // In kubexit's lists these are names.
    let mut kubexit = sandbox.applet("kubexit");
    kubexit.args(["true"]).env("KUBEXIT_NAME", "x");
    kubexit.env("KUBEXIT_GRAVEYARD", sandbox.dir());
    kubexit.env("KUBEXIT_DEATH_DEPS", "db:ready,web");
    let ended = kubexit.finish();
    let notice = "\"db:ready\" is a name in KUBEXIT_DEATH_DEPS: write conditions into \
                  EXITDIR_DEATH_DEPS";
    assert_eq!(ended.status, 0);
    assert!(ended.stderr.contains(notice), "{}", ended.stderr);
}
