//! Every status that a command can end with, and every reason why it cannot be executed.

use crate::support::parallel::for_each;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::users::set_mode;
use std::process::Command;

#[test]
fn the_status_of_the_command_is_the_status_of_exitdir_run() {
    let sandbox = Sandbox::new();
    let ended = sandbox
        .run(["-n", "main", "--", "sh", "-c", "exit 3"])
        .finish();
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
    assert_eq!(sandbox.entries(), ["main"]);
}

/// Runs each script, with default signal dispositions, and checks status and tombstone.
fn assert_statuses(cases: &[(String, i32, Option<String>)], options: &[&str]) {
    for_each(2, cases, |(script, status, signal)| {
        let sandbox = Sandbox::new();
        let ended = sandbox
            .run(["-n", "main"])
            .args(options)
            .args(["--", "env", "--default-signal", "sh", "-c", script])
            .current_dir(sandbox.path("."))
            .finish();
        assert_eq!(ended.status, *status, "{script}: {}", ended.stderr);
        assert_eq!(
            sandbox.key("main", "ExitCode"),
            Some(status.to_string()),
            "{script}"
        );
        assert_eq!(sandbox.key("main", "Signal"), *signal, "{script}");
    });
}

#[test]
fn every_exit_status_of_the_command_becomes_that_of_exitdir_run() {
    let cases: Vec<_> = (0..=255)
        .map(|code| (format!("exit {code}"), code, None))
        .collect();
    assert_statuses(&cases, &[]);
}

#[test]
fn the_status_for_a_command_ended_by_a_signal_is_128_plus_its_number() {
    const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT - - - - - - - XCPU XFSZ VTALRM PROF - IO PWR SYS";
    let mut cases: Vec<_> = (1..)
        .zip(NAMES.split(' '))
        .filter(|(_, name)| *name != "-")
        .map(|(number, name)| (number, name.to_owned()))
        .collect();
    // The C library reserves 32 and 33, and leaves them ignored in what the test starts.
    cases.push((34, "RTMIN".to_owned()));
    cases.extend((35..=64).map(|number| (number, format!("RTMIN+{}", number - 34))));
    let cases: Vec<_> = cases
        .into_iter()
        .map(|(number, name)| {
            (
                format!("ulimit -c 0; kill -{number} $$"),
                128 + number,
                Some(name),
            )
        })
        .collect();
    assert_statuses(&cases, &[]);
}

#[test]
fn a_core_dump_changes_nothing_about_the_status() {
    let dumps = "cd \"$(mktemp -d)\" && ulimit -c unlimited && (sh -c 'kill -SEGV $$'; :) 2>&1 | grep -q 'core dumped'; \
        found=$?; rm -rf \"$PWD\"; exit $found";
    if !is_permitted("a core dump", Command::new("sh").args(["-c", dumps])) {
        return;
    }
    let case = |size, number: i32, name: &str| {
        (
            format!("ulimit -c {size}; kill -{number} $$"),
            128 + number,
            Some(name.to_owned()),
        )
    };
    let cases = ["0", "unlimited"].map(|size| {
        [
            case(size, 11, "SEGV"),
            case(size, 3, "QUIT"),
            case(size, 6, "ABRT"),
        ]
    });
    assert_statuses(cases.as_flattened(), &[]);
}

#[test]
fn a_command_that_cannot_be_executed_gives_126_and_a_missing_one_127() {
    let sandbox = Sandbox::new();
    let program = |name: &str, text: &str, mode| {
        let path = sandbox.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        sandbox.program(name, text);
        set_mode(&path, mode);
        path.to_str().unwrap().to_owned()
    };
    let lost = program("lost", "#!/nonexistent/interpreter\n", 0o755);
    let barred = program("bar/prog", "#!/bin/sh\nexit 4\n", 0o644);
    let _good = program("good/prog", "#!/bin/sh\nexit 5\n", 0o755);
    let _here = program("prog", "#!/bin/sh\nexit 6\n", 0o755);
    let busy = program("busy", "#!/bin/sh\n", 0o755);
    let _writer = std::fs::File::options().append(true).open(&busy).unwrap();
    let ring = sandbox.path("ring");
    std::os::unix::fs::symlink(&ring, &ring).unwrap();
    let path = |dirs: &str| dirs.replace('@', sandbox.path("").to_str().unwrap());
    for (command, dirs, status) in [
        (lost.as_str(), "/bin", 127),
        (barred.as_str(), "/bin", 126),
        (busy.as_str(), "/bin", 126),
        (ring.to_str().unwrap(), "/bin", 126),
        ("/etc/passwd/x", "/bin", 127),
        ("", "/bin", 127),
        ("prog", "/nonexistent:/bin", 127),
        ("prog", "@bar", 126),
        ("prog", "@bar:@good", 5),
        ("prog", "@good:@bar", 5),
        // An empty entry is the working directory.
        ("prog", ":@good", 6),
        ("prog", "@bar::@good", 6),
        ("prog", "@bar:", 6),
    ] {
        let mut run = sandbox.run(["-n", "main", "--", command]);
        let ended = run
            .current_dir(sandbox.path("."))
            .env("PATH", path(dirs))
            .finish();
        assert_eq!(
            ended.status, status,
            "{command:?} in {dirs}: {}",
            ended.stderr
        );
        let failed = sandbox.key("main", "Reason").as_deref() == Some("exec-failed");
        assert_eq!(failed, status > 100, "{command:?} in {dirs}");
    }
    let ended = sandbox
        .run(["--", "sh", "-c", "exit 8"])
        .env_remove("PATH")
        .finish();
    assert_eq!(
        ended.status, 8,
        "without PATH there is a default one: {}",
        ended.stderr
    );
}

#[test]
fn a_command_line_that_is_too_long_for_the_kernel_gives_126() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(60_000);
    let main = sandbox
        .run([
            "-n",
            "main",
            "--birth-deps",
            "db",
            "--",
            "true",
            &long,
            &long,
            &long,
            &long,
        ])
        .start();
    sandbox.await_key("main", "Lock");
    let limited = sandbox
        .command("prlimit")
        .args(["--stack=262144:262144", "--pid", &main.pid().to_string()])
        .finish();
    assert_eq!(limited.status, 0, "{}", limited.stderr);
    sandbox.record_ready("db");
    let ended = main.end();
    assert_eq!(ended.status, 126, "{}", ended.stderr);
    assert_eq!(
        sandbox.key("main", "Reason").as_deref(),
        Some("exec-failed")
    );
}

#[test]
fn with_restart_on_failure_an_expected_code_causes_no_restart() {
    for (code, script, status, starts) in [
        ("3", "exit 3", 0, 1),
        ("3", "exit 4", 4, 2),
        ("143,4", "kill -TERM $$", 0, 1),
        ("143", "kill -KILL $$", 137, 2),
    ] {
        let sandbox = Sandbox::new();
        let script = format!("echo >>\"$W/starts\"; {script}");
        let ended = sandbox
            .run([
                "-n",
                "main",
                "--restart",
                "on-failure",
                "--restart-limit",
                "1",
                "-e",
                code,
            ])
            .args(["--", "sh", "-c", &script])
            .env("W", sandbox.path("."))
            .finish();
        assert_eq!(
            ended.status, status,
            "-e {code}: {script}: {}",
            ended.stderr
        );
        let text = std::fs::read_to_string(sandbox.path("starts")).unwrap();
        assert_eq!(text.lines().count(), starts, "-e {code}: {script}");
    }
}
