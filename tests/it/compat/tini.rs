//! The cases of tini's own test suite (its `ci/run_build.sh` and `test/run_inner_tests.py`), each
//! played with the program under the name `tini`, and with tini itself where it is installed.
//! docs/other-inits.md lists the cases. What only the name changes is tested here too.

use crate::support::inspect::assert_sentence;
use crate::support::proc::{children, status};
use crate::support::requirements::{perl_is_here, skip};
use crate::support::sandbox::{Ended, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{TERM, USR1, USR2};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program with tini's command line: ours, or tini.
struct Tini<'w> {
    sandbox: &'w Sandbox,
    program: PathBuf,
}

impl Tini<'_> {
    fn ours(sandbox: &Sandbox) -> Tini<'_> {
        let program = sandbox.path("tini");
        if !program.exists() {
            std::os::unix::fs::symlink(binary(), &program).unwrap();
        }
        Tini { sandbox, program }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command(&self.program);
        command.args(words).env_remove("EXIT_DIR");
        command
    }

    fn run(&self, words: &[&str]) -> Ended {
        self.command(words).finish()
    }

    /// Behind a script in perl, which ends with an exec of its arguments.
    fn behind(&self, perl: &str, words: &[&str]) -> Command {
        let mut command = self.sandbox.command("perl");
        command.args(["-e", &format!("{perl}; exec @ARGV")]);
        command.arg(&self.program).args(words);
        command.env_remove("EXIT_DIR");
        command
    }
}

/// Plays a case with both programs.
fn case(play: impl Fn(&Tini<'_>)) {
    let sandbox = Sandbox::new();
    play(&Tini::ours(&sandbox));
    let program = PathBuf::from("/usr/bin/tini");
    if program.exists() {
        let sandbox = &sandbox;
        play(&Tini { sandbox, program });
    } else {
        skip("tini itself");
    }
}

#[test]
fn version_is_printed_and_begins_with_tinis_name() {
    case(|tini| {
        let ended = tini.run(&["--version"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        assert!(ended.stdout.starts_with("tini version 0.19.0"));
    });
}

#[test]
fn without_arguments_the_usage_goes_to_stderr_with_status_1() {
    case(|tini| {
        let ended = tini.run(&[]);
        assert_eq!((ended.status, ended.stdout.as_str()), (1, ""));
        for text in ["supervision of a valid init process", "more verbose"] {
            assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
        }
    });
}

#[test]
fn h_prints_the_usage_with_status_0() {
    case(|tini| {
        let ended = tini.run(&["-h"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        assert!(ended.stdout.contains("supervision of a valid init process"));
    });
}

/// The one case that differs: tini's test compares the text with tini's license.
#[test]
fn l_prints_the_license_of_the_program_that_it_is() {
    case(|tini| {
        let ended = tini.run(&["-l"]);
        assert_eq!(ended.status, 0);
        let is_ours = tini.program != Path::new("/usr/bin/tini");
        assert_eq!(ended.stdout.contains("exitdir"), is_ours);
        assert_eq!(ended.stdout.contains("Apache License"), is_ours);
    });
}

#[test]
fn the_status_is_that_of_the_command_after_options_and_two_dashes() {
    case(|tini| {
        for (words, expected) in [
            (&["-vvv", "true"][..], 0),
            (&["-vvv", "false"], 1),
            (&["-vvv", "--", "true"], 0),
            (&["-vvv", "--", "--", "true"], 127),
            (&["foobar123"], 127),
            (&["/etc"], 126),
            (&["-sgw", "--", "sh", "-c", "exit 7"], 7),
            (&["-ge7", "--", "sh", "-c", "exit 7"], 0),
            (&["-ge", "7", "--", "sh", "-c", "exit 7"], 0),
            (&["-vpSIGTERM", "--", "sh", "-c", "exit 7"], 7),
            (&["--", "sh", "-c", "kill -9 $$"], 137),
        ] {
            assert_eq!(tini.run(words).status, expected, "{words:?}");
        }
    });
}

#[test]
fn wrong_usage_ends_with_1_and_says_what_is_wrong() {
    case(|tini| {
        for (words, expected) in [
            (&["-z", "true"][..], "invalid option -- 'z'"),
            (&["-gz", "true"], "invalid option -- 'z'"),
            (&["--group", "true"], "invalid option -- '-'"),
            (&["--version", "true"], "invalid option -- '-'"),
            (&["-e"], "option requires an argument -- 'e'"),
            (&["-p"], "option requires an argument -- 'p'"),
            (&["-e", "256", "true"], "Not a valid option for -e: "),
            (&["-e", "x", "true"], "Not a valid option for -e: "),
            (&["-p", "FOO", "true"], "Not a valid option for -p: "),
            (&["--"], "supervision of a valid init process"),
        ] {
            let ended = tini.run(words);
            assert_eq!((ended.status, ended.stdout.as_str()), (1, ""), "{words:?}");
            assert!(
                ended.stderr.contains(expected),
                "{words:?}: {}",
                ended.stderr
            );
        }
    });
}

#[test]
fn the_variable_of_the_verbosity_counts_instead_of_v() {
    case(|tini| {
        let said = |level: &str, words: &[&str]| {
            let ended = tini.command(words).env("TINI_VERBOSITY", level).finish();
            assert_eq!(ended.status, 0);
            ended.stdout + &ended.stderr
        };
        assert!(said("3", &["true"]).contains("Received SIGCHLD"));
        assert!(!said("1", &["-vvv", "true"]).contains("Received SIGCHLD"));
        for level in ["0", "", "x"] {
            assert_eq!(said(level, &["-v", "true"]), "", "{level:?}");
        }
    });
}

#[test]
fn the_command_reads_the_standard_input() {
    case(|tini| {
        let script = "echo exit 3 | \"$0\" sh";
        let mut command = tini.sandbox.command("sh");
        let ended = command.args(["-c", script]).arg(&tini.program).finish();
        assert_eq!(ended.status, 3);
    });
}

#[test]
fn each_exit_status_that_is_expected_becomes_0_and_no_other() {
    case(|tini| {
        let words: Vec<String> = (0..256).map(|code| code.to_string()).collect();
        for code in (0..256).step_by(17) {
            let script = format!("exit {code}");
            let expected = ["-e", &words[code], "--", "sh", "-c", &script];
            assert_eq!(tini.run(&expected).status, 0, "{code}");
            let mut others: Vec<&str> = Vec::new();
            for other in words.iter().filter(|other| **other != words[code]) {
                others.extend(["-e", other]);
            }
            others.extend(["--", "sh", "-c", &script]);
            assert_eq!(tini.run(&others).status, code as i32);
        }
    });
}

/// Becomes a child subreaper.
fn subreaper() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "syscall(157, 36, 1, 0, 0, 0) == 0 or die"
    } else {
        "syscall(167, 36, 1, 0, 0, 0) == 0 or die"
    }
}

/// The ways in which tini becomes the parent of orphans, each with these words.
fn reapers(tini: &Tini<'_>, words: &[&str]) -> Vec<(&'static str, Command)> {
    let with_option = [&["-s"], words].concat();
    let mut by_variable = tini.command(words);
    by_variable.env("TINI_SUBREAPER", "");
    let mut reapers = vec![
        ("-s", tini.command(&with_option)),
        ("TINI_SUBREAPER", by_variable),
    ];
    if perl_is_here() {
        reapers.push(("a subreaper", tini.behind(subreaper(), words)));
    }
    reapers
}

/// Leaves an orphan that ends, and waits until it is the only child of its parent.
const REAPED: &str = "sh -c 'sleep 0.05 & exec true'; \
     until [ \"$(cat /proc/$PPID/task/$PPID/children)\" = \"$$ \" ]; do sleep 0.01; done";

#[test]
fn orphans_are_adopted_and_reaped_without_a_word() {
    case(|tini| {
        for (how, mut command) in reapers(tini, &["--", "sh", "-c", REAPED]) {
            let ended = command.finish();
            let seen = (ended.status, ended.stdout.as_str(), ended.stderr.as_str());
            assert_eq!(seen, (0, "", ""), "{how}");
        }
    });
}

#[test]
fn with_w_each_reaped_orphan_is_named() {
    case(|tini| {
        // Not before the orphan was reaped.
        let script = "sh -c 'sleep 0.05 & echo $! >orphan; exec true'\n\
                      while kill -0 $(cat orphan) 2>/dev/null; do sleep 0.01; done";
        for (how, mut command) in reapers(tini, &["-w", "--", "sh", "-c", script]) {
            let ended = command.current_dir(tini.sandbox.path(".")).finish();
            let orphan = tini.sandbox.read("orphan");
            let expected = format!("Reaped zombie process with pid={}", orphan.trim());
            assert!(ended.stderr.contains(&expected), "{how}: {}", ended.stderr);
            assert_eq!(ended.status, 0, "{how}");
        }
    });
}

#[test]
fn a_tini_that_adopts_no_orphans_says_so() {
    case(|tini| {
        let ended = tini.command(&["true"]).env("TINI_VERBOSITY", "1").finish();
        assert_eq!(ended.status, 0);
        assert!(ended.stderr.contains("zombie reaping won't work"));
    });
}

#[test]
fn signals_reach_the_command_and_the_status_is_128_plus_the_signal() {
    case(|tini| {
        for signal in [TERM, USR1, USR2] {
            for (how, command) in reapers(tini, &["sleep", "1000"]) {
                let mut command = command;
                let running = command.start();
                let pid = running.pid();
                eventually("the command runs", || {
                    children(pid)
                        .into_iter()
                        .find(|child| status(*child, "Name").is_some_and(|name| name == "sleep"))
                });
                running.send(signal);
                assert_eq!(running.end().status, 128 + signal, "{how}");
            }
        }
    });
}

#[test]
fn with_g_or_its_variable_signals_go_to_the_process_group() {
    case(|tini| {
        // The command ignores the signal, and its child does not.
        let script = "trap '' USR1; perl -e '$SIG{USR1} = \"DEFAULT\"; open F, \">ready\"; \
                      close F; sleep 1000'; exit 5";
        let mut by_variable = tini.command(&["--", "sh", "-c", script]);
        by_variable.env("TINI_KILL_PROCESS_GROUP", "1");
        if !perl_is_here() {
            return;
        }
        for mut command in [tini.command(&["-g", "--", "sh", "-c", script]), by_variable] {
            let ready = tini.sandbox.path("ready");
            let _ = std::fs::remove_file(&ready);
            let running = command.current_dir(tini.sandbox.path(".")).start();
            wait_until("the child is ready", || ready.exists());
            running.send(USR1);
            assert_eq!(running.end().status, 5);
        }
    });
}

#[test]
fn ignored_and_blocked_signals_reach_the_command_as_they_were() {
    if !perl_is_here() {
        return;
    }
    case(|tini| {
        let prepare = "use POSIX; $SIG{$_} = 'IGNORE' for qw(TTOU SEGV INT); \
                       POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTTIN, SIGILL, SIGTERM))";
        let ended = tini.behind(prepare, &["cat", "/proc/self/status"]).finish();
        let mask = |key: &str| {
            let line = ended.stdout.lines().find(|line| line.starts_with(key));
            u64::from_str_radix(line.unwrap()[key.len()..].trim(), 16).unwrap()
        };
        let bits = |signals: [u64; 3]| {
            signals
                .iter()
                .fold(0, |all, signal| all | 1 << (signal - 1))
        };
        let (ignored, blocked) = (bits([22, 11, 2]), bits([21, 4, 15]));
        assert_eq!(mask("SigIgn:") & ignored, ignored);
        assert_eq!(mask("SigBlk:") & blocked, blocked);
    });
}

#[test]
fn with_p_the_end_of_the_parent_becomes_a_signal_for_the_command() {
    case(|tini| {
        let told = tini.sandbox.path("told");
        let _ = std::fs::remove_file(&told);
        let script = "trap 'echo ok >told; exit' USR1; : >ready; while :; do sleep 0.01; done";
        // The parent ends once the command is ready.
        let parent = "rm -f ready; \"$0\" -vvv -p SIGUSR1 -- sh -c \"$1\" & \
                      until [ -e ready ]; do sleep 0.01; done";
        let mut command = tini.sandbox.command("sh");
        command.args(["-c", parent]).arg(&tini.program).arg(script);
        command.current_dir(tini.sandbox.path("."));
        assert_eq!(
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .finish()
                .status,
            0
        );
        wait_until("the command was told", || told.exists());
    });
}

/// What dockerd makes of the first and second part of `INIT --version`: see `parseInitVersion` in
/// moby's daemon/info_unix.go.
#[test]
fn dockerd_finds_a_version_and_a_commit() {
    let sandbox = Sandbox::new();
    let printed = Tini::ours(&sandbox).run(&["--version"]).stdout;
    let (first, second) = printed.split_once(" - ").unwrap();
    let version = first.trim().strip_prefix("tini version ").unwrap();
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let parts: Vec<&str> = second.trim().split('.').collect();
    let [git, commit] = parts[..] else {
        panic!("{second}");
    };
    assert_eq!((git, commit), ("git", "exitdir"));
    // Older versions of dockerd cut tini's commit to the length of ours.
    assert!(commit.len() <= 7);
}

#[test]
fn the_variables_of_exitdir_are_not_read_and_reach_the_command() {
    let sandbox = Sandbox::new();
    let script = "echo $EXIT_DIR $EXITDIR_NAME $EXITDIR_TIMEOUT";
    let mut command = Tini::ours(&sandbox).command(&["-s", "--", "sh", "-c", script]);
    command
        .env("EXIT_DIR", sandbox.dir())
        .env("EXITDIR_NAME", "main");
    let ended = command.env("EXITDIR_TIMEOUT", "soon").finish();
    let expected = format!("{} main soon\n", sandbox.dir().display());
    assert_eq!((ended.stdout, ended.stderr.as_str()), (expected, ""));
    assert!(sandbox.entries().is_empty());
    // So an exitdir-run below it begins a life.
    std::os::unix::fs::symlink(binary(), sandbox.path("exitdir-run")).unwrap();
    let run = sandbox.path("exitdir-run");
    let words = ["-s", "--", run.to_str().unwrap(), "sh", "-c", "exit 3"];
    let mut command = Tini::ours(&sandbox).command(&words);
    let variables = [("EXIT_DIR", sandbox.dir()), ("EXITDIR_NAME", "main".into())];
    assert_eq!(command.envs(variables).finish().status, 3);
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
}

#[test]
fn each_name_of_an_init_takes_tinis_options_and_only_catatonit_refuses_its_pause() {
    let sandbox = Sandbox::new();
    for name in [
        "tini",
        "tini-static",
        "docker-init",
        "podman-init",
        "catatonit",
    ] {
        let link = sandbox.path(&format!("bin-{name}/{name}"));
        std::fs::create_dir(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(binary(), &link).unwrap();
        let run = |words: &[&str]| sandbox.command(&link).args(words).finish();
        assert_eq!(run(&["-s", "--", "sh", "-c", "exit 3"]).status, 3, "{name}");
        let version = run(&["--version"]).stdout;
        assert!(version.starts_with("tini version "), "{name}: {version}");
        let pause = run(&["-P"]);
        assert_eq!((pause.status, pause.stdout.as_str()), (1, ""), "{name}");
        if name == "catatonit" {
            assert_sentence(&pause, name, 1);
            assert_eq!(run(&["-V"]).stdout, version);
            assert_eq!(run(&["-L"]).status, 0);
        } else {
            assert!(pause.stderr.contains("invalid option -- 'P'"), "{pause:?}");
        }
    }
}
