//! What a command inherits: everything that exitdir-run was started with, at the first start and
//! after a restart in place, also while exitdir-run watches a directory. And
//! `--parent-death-signal`, which concerns exitdir-run itself.

use crate::support::inspect::{assert_sentence, await_sleep};
use crate::support::namespaces::{in_pid_namespace, pid_namespace_is_permitted};
use crate::support::proc::await_gone;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::KILL;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// There is no shell between exitdir-run and these, because a shell changes dispositions of
/// signals.
const DESCRIPTIONS: [&[&str]; 4] = [
    &[
        "grep",
        "-E",
        "^(Umask|Uid|Groups|Sig(Blk|Ign|Cgt)|CapInh|NoNewPrivs)",
        "/proc/self/status",
    ],
    &["cat", "/proc/self/environ"],
    &[
        "cat",
        "/proc/self/limits",
        "/proc/self/cmdline",
        "/proc/self/timerslack_ns",
        "/proc/self/oom_score_adj",
        "/proc/self/personality",
    ],
    // The session, and the niceness twice.
    &["cut", "-d ", "-f6,18,19", "/proc/self/stat"],
];

/// The output of a command that describes itself. It is started through these words, with unusual
/// limits, masks, and variables.
fn describe(sandbox: &Sandbox, words: &[&OsStr], describe: &[&str]) -> Ended {
    let strange = "cd \"$W\" && umask 027 && ulimit -n 333 && ulimit -f 5000 && ulimit -c 0 && exec nice -n 3 \"$@\"";
    sandbox
        .command("sh")
        .args([
            "-c",
            strange,
            "sh",
            "env",
            "--ignore-signal=PIPE,CHLD,HUP",
            "--block-signal=USR1,PIPE,RTMIN+3",
        ])
        .args(words)
        .args(describe)
        .env_remove("EXIT_DIR")
        .env("W", sandbox.path("."))
        .env("STRANGE", OsStr::from_bytes(b"\xff \n\"="))
        .env("EMPTY", "")
        .finish()
}

#[test]
fn a_command_is_started_and_restarted_as_exitdir_run_was() {
    let sandbox = Sandbox::new();
    let binary = binary();
    for words in DESCRIPTIONS {
        let plain = describe(&sandbox, &[], words);
        assert_eq!((plain.status, plain.stderr.as_str()), (0, ""));
        for options in [
            "run -d graveyard -n main --death-deps never --restart always --restart-limit 1 -q",
            "run -s -p HUP",
        ] {
            let mut through: Vec<&OsStr> = vec![binary.as_os_str()];
            through.extend(options.split(' ').map(OsStr::new));
            through.push(OsStr::new("--"));
            let ended = describe(&sandbox, &through, words);
            let starts = if options.contains("restart") { 2 } else { 1 };
            assert_eq!(ended.status, 0, "{options}: {}", ended.stderr);
            // The environment is the same, and then come the variables of a life with a name.
            let added = if words[1].ends_with("environ") && options.contains("-n main") {
                "EXIT_DIR=graveyard\0EXITDIR_NAME=main\0EXITDIR_SUPERVISED=main\0"
            } else {
                ""
            };
            let expected = format!("{}{added}", plain.stdout).repeat(starts);
            assert_eq!(ended.stdout, expected, "{options}");
        }
    }
}

#[test]
fn the_command_has_the_working_directory_of_exitdir_run() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.run(["readlink", "/proc/self/cwd"]);
    let ended = run.current_dir(sandbox.path(".")).finish();
    let here = std::fs::canonicalize(sandbox.path(".")).unwrap();
    assert_eq!(ended.stdout.trim_end(), here.to_str().unwrap());
}

#[test]
fn closed_streams_stay_closed_and_a_restarted_command_gets_no_other_descriptor() {
    let sandbox = Sandbox::new();
    let mut script =
        "exec 0<&- 1>&- 2>&-; exec \"$0\" run -n main --death-deps never --restart always \
        --restart-limit 1 -- /usr/bin/test 1 = 1"
            .to_owned();
    // Descriptors that the tests themselves inherited are open without exitdir-run too.
    let open_anyway = |fd: &i32| {
        let plain = format!("exec 0<&- 1>&- 2>&-; exec /usr/bin/test -e /proc/self/fd/{fd}");
        sandbox.command("sh").args(["-c", &plain]).finish().status == 0
    };
    for fd in (0..20).filter(|fd| !open_anyway(fd)) {
        script += &format!(" -a ! -e /proc/self/fd/{fd}");
    }
    let ended = sandbox
        .command("sh")
        .args(["-c", &script])
        .arg(binary())
        .finish();
    assert_eq!(ended.status, 0);
    // The check finds a descriptor that is open.
    let open = script.replace("2>&-", "5</dev/null");
    let ended = sandbox
        .command("sh")
        .args(["-c", &open])
        .arg(binary())
        .finish();
    assert_eq!(ended.status, 1);
}

#[test]
fn a_restarted_command_does_not_outlive_a_supervisor_that_is_killed() {
    let sandbox = Sandbox::new();
    let script = "exec >/dev/null 2>&1; echo $$ >>\"$W/pids\"; test -e \"$W/second\" || { : >\"$W/second\"; exit 1; }; trap '' TERM HUP; \
        while test -d \"$W\"; do sleep 0.01; done";
    let main = sandbox
        .run([
            "-n",
            "main",
            "--restart",
            "on-failure",
            "--",
            "sh",
            "-c",
            script,
        ])
        .env("W", sandbox.path("."))
        .start();
    let pid = eventually("the second start", || {
        let text = sandbox.read("pids");
        text.lines().nth(1).map(str::to_owned)
    });
    sandbox.await_key("main", "Ready");
    main.send(KILL);
    assert_eq!(main.end().status, 137);
    await_gone(&pid);
}

/// A shell that starts exitdir-run in the background, and ends when there is a file `parent-ends`.
const PARENT: &str = "\"$0\" \"$@\" >/dev/null 2>&1 </dev/null & while test -d \"$W\" && ! test -e \"$W/parent-ends\"; do sleep 0.01; done";

#[test]
fn the_signal_for_the_death_of_the_parent_is_forwarded_to_the_command() {
    let sandbox = Sandbox::new();
    let cmd = "trap ': >\"$W/told\"; exit 7' USR1; : >\"$W/up\"; while test -d \"$W\"; do sleep 0.01; done";
    let parent = sandbox
        .command("sh")
        .args(["-c", PARENT])
        .arg(binary())
        .args(["run", "-p", "USR1", "-n", "main", "--", "sh", "-c", cmd])
        .env("W", sandbox.path("."))
        .start();
    sandbox.await_file("up");
    assert!(!sandbox.path("told").exists());
    sandbox.touch("parent-ends");
    assert_eq!(parent.end().status, 0);
    sandbox.await_key("main", "Died");
    assert!(sandbox.path("told").exists());
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("7"));
}

#[test]
fn the_death_of_the_parent_ends_a_wait() {
    let sandbox = Sandbox::new();
    let parent = sandbox
        .command("sh")
        .args(["-c", PARENT])
        .arg(binary())
        .args([
            "run",
            "-p",
            "TERM",
            "-n",
            "main",
            "--birth-deps",
            "never",
            "--",
            "true",
        ])
        .env("W", sandbox.path("."))
        .start();
    sandbox.await_key("main", "Lock");
    sandbox.touch("parent-ends");
    assert_eq!(parent.end().status, 0);
    sandbox.await_key("main", "Died");
    assert_eq!(
        sandbox.key("main", "Reason").as_deref(),
        Some("interrupted")
    );
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("143"));
}

#[test]
fn the_death_of_a_parent_is_noticed_even_if_it_comes_before_the_prctl_call() {
    let sandbox = Sandbox::new();
    if !is_permitted(
        "strace",
        sandbox
            .command("strace")
            .args(["-D", "-o", "/dev/null", "true"]),
    ) {
        return;
    }
    // strace delays prctl by two seconds. The parent dies after exitdir-run has called getppid, and
    // before prctl.
    let log = sandbox.path("log");
    let parent = sandbox
        .command("sh")
        .args(["-c", PARENT, "strace", "-D", "-e", "trace=getppid,prctl"])
        .args(["-e", "inject=prctl:delay_enter=2000000:when=1", "-o"])
        .arg(&log)
        .arg(binary())
        .args([
            "run",
            "-p",
            "TERM",
            "-n",
            "main",
            "--birth-deps",
            "never",
            "--",
            "true",
        ])
        .env("W", sandbox.path("."))
        .start();
    wait_until("it knows its parent", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("getppid()")
    });
    sandbox.touch("parent-ends");
    assert_eq!(parent.end().status, 0);
    sandbox.await_key("main", "Died");
    assert_eq!(
        sandbox.key("main", "Reason").as_deref(),
        Some("interrupted")
    );
}

#[test]
fn a_word_that_is_not_a_signal_is_refused_for_the_death_of_the_parent() {
    for word in ["NOSIG", "0", "65", "-1", "TERM,INT"] {
        let sandbox = Sandbox::new();
        assert_sentence(
            &sandbox.run(["-p", word, "--", "true"]).finish(),
            "exitdir-run",
            125,
        );
    }
    let sandbox = Sandbox::new();
    let waiting = sandbox
        .run(["-p", "RTMIN+3", "--birth-deps", "never", "true"])
        .start();
    await_sleep(&waiting);
}

/// Starts `exitdir-run` with a socket in descriptor 3, as socket activation does. `$0` is the
/// binary.
fn activated(sandbox: &Sandbox, words: &str) -> std::process::Command {
    let mut command = sandbox.command("sh");
    let script = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" run {words}");
    command
        .args(["-c", &format!("{script} 3<$0")])
        .arg(binary());
    command
}

#[test]
fn each_command_is_the_one_that_the_descriptors_of_socket_activation_are_for() {
    let sandbox = Sandbox::new();
    let script = "[ $LISTEN_PID = $$ ] && [ -r /dev/fd/3 ] && echo $LISTEN_FDS; exit 1";
    let options = "--restart on-failure --restart-limit 1 -q";
    let words = format!("{options} -- sh -c '{script}'");
    let ended = activated(&sandbox, &words).finish();
    assert_eq!(
        (ended.stdout.as_str(), ended.status),
        ("1\n1\n", 1),
        "{ended:?}"
    );
    // In a PID namespace, exitdir-run and the command have other ids.
    if pid_namespace_is_permitted() {
        let script = "LISTEN_PID=1 LISTEN_FDS=1 exec \"$0\" run sh -c 'echo $LISTEN_PID $$'";
        let mut command = in_pid_namespace(&sandbox, "sh");
        let ended = command.args(["-c", script]).arg(binary()).finish();
        assert_eq!(ended.stdout, "2 2\n", "{ended:?}");
    }
    // The descriptors of another process stay those of that process.
    let mut command = sandbox.run(["sh", "-c", "echo $LISTEN_PID"]);
    assert_eq!(command.env("LISTEN_PID", "1").finish().stdout, "1\n");
}

#[test]
fn a_descriptor_of_socket_activation_cannot_be_that_of_readiness() {
    let sandbox = Sandbox::new();
    for (number, status) in [("3", 125), ("4", 0)] {
        let words = format!("--ready-on fd:{number} true");
        let ended = activated(&sandbox, &words).finish();
        assert_eq!(ended.status, status, "{ended:?}");
        assert_eq!(ended.stderr.contains("LISTEN_FDS"), status != 0);
    }
}
