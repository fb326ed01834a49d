//! `exitdir-run` as its users see it. Which status follows from which death is told in the scenarios.

use crate::permits::is_permitted;
use crate::seen::{assert_sentence, await_sleep, is_gone};
use crate::world::{Running, Start, World, binary, eventually};
use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

fn lines(path: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A command that says in a file what happens to it, and ends when a file called `end` appears.
struct Diarist {
    world: World,
    running: Running,
}

impl Diarist {
    /// `traps` is what it does before it says `up`.
    fn start(traps: &str, prepare: impl FnOnce(&World) -> Command) -> Diarist {
        let world = World::new();
        let script = format!(
            "{traps}; echo up >> \"$DIARY\"; while test -d \"$WORLD\" && ! test -e \"$WORLD/end\"; do sleep 0.01; done; exit 5"
        );
        let mut command = prepare(&world);
        command
            .args(["--", "sh", "-c", &script])
            .env("DIARY", world.path("diary"))
            .env("WORLD", world.path("."));
        let diarist = Diarist {
            running: command.start(),
            world,
        };
        diarist.await_entry("up");
        // CMD can be quicker than the record of its birth.
        diarist.world.await_key("main", "Ready");
        diarist
    }

    fn await_entry(&self, entry: &str) {
        eventually(&format!("the diary says {entry}"), || {
            lines(&self.world.path("diary"))
                .iter()
                .any(|line| line == entry)
                .then_some(())
        });
    }

    fn diary(&self) -> Vec<String> {
        lines(&self.world.path("diary"))
    }

    fn let_go(&self) {
        std::fs::write(self.world.path("end"), "").unwrap();
    }
}

fn dead(world: &World, name: &str, code: &str) {
    assert_eq!(world.signal(["-c", code, name]).finish().status, 0);
}

fn keys(world: &World, name: &str) -> String {
    let text = world.tombstone(name);
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    keys.join(" ")
}

#[test]
fn the_exit_status_and_the_tombstone_tell_how_the_command_ended() {
    for (script, status, expected) in [
        ("exit 0", 0, "Waiting Lock Born Ready ExitCode Reason Died"),
        (
            "exit 42",
            42,
            "Waiting Lock Born Ready ExitCode Reason Died",
        ),
        (
            "exit 255",
            255,
            "Waiting Lock Born Ready ExitCode Reason Died",
        ),
        (
            "kill -KILL $$",
            137,
            "Waiting Lock Born Ready ExitCode Signal Reason Died",
        ),
        (
            "kill -SEGV $$",
            139,
            "Waiting Lock Born Ready ExitCode Signal Reason Died",
        ),
        (
            "kill -64 $$",
            192,
            "Waiting Lock Born Ready ExitCode Signal Reason Died",
        ),
    ] {
        let world = World::new();
        let ended = world.run(["-n", "main", "--", "sh", "-c", script]).finish();
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (status, ""),
            "{script}"
        );
        assert_eq!(keys(&world, "main"), expected, "{script}");
        assert_eq!(world.key("main", "ExitCode"), Some(status.to_string()));
        assert_eq!(
            world.key("main", "Reason").as_deref(),
            Some(if expected.contains("Signal") {
                "signaled"
            } else {
                "exited"
            })
        );
    }
}

#[test]
fn every_ending_has_its_reason_in_the_tombstone() {
    let long_ago = ["--birth-deps", "never"];
    let cases: [(&[&str], &str, i32, &str); 6] = [
        (
            &["--birth-deps", "never", "--birth-timeout", "0.01"],
            "echo started",
            124,
            "Waiting Lock ExitCode Reason Message Died birth-timeout",
        ),
        (
            &["--death-deps", "dead"],
            "echo started",
            143,
            "Waiting Lock Cause ExitCode Reason Died stopped",
        ),
        (
            &["--death-deps", "ok"],
            "echo started",
            0,
            "Waiting Lock Cause ExitCode Reason Died stopped",
        ),
        (
            &["--timeout", "0.01"],
            "sleep 60",
            124,
            "Waiting Lock Born Ready ExitCode Signal Reason Died timeout",
        ),
        (
            &["--timeout", "0"],
            "sleep 60",
            124,
            "Waiting Lock Born Ready ExitCode Signal Reason Died timeout",
        ),
        (
            &[
                "--timeout",
                "off",
                "--birth-timeout",
                "off",
                "--grace-period",
                "off",
            ],
            "true",
            0,
            "Waiting Lock Born Ready ExitCode Reason Died exited",
        ),
    ];
    for (options, command, status, expected) in cases {
        let world = World::new();
        dead(&world, "dead", "3");
        dead(&world, "ok", "0");
        let ended = world
            .run(["-n", "main"])
            .args(options)
            .arg("--")
            .args(command.split(' '))
            .finish();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (status, ""),
            "{options:?}: {}",
            ended.stderr
        );
        let found = format!(
            "{} {}",
            keys(&world, "main"),
            world.key("main", "Reason").unwrap()
        );
        assert_eq!(found, expected, "{options:?}");
        if status == 124 || expected.contains("stopped") {
            assert_sentence(&ended, "exitdir-run", status);
        }
    }
    for signal in [1, 2, 3, 15] {
        let world = World::new();
        let waiting = world
            .run(["-n", "main"])
            .args(long_ago)
            .args(["--", "echo", "started"])
            .start();
        world.await_key("main", "Lock");
        await_sleep(&waiting);
        for dropped in [10, 12, 28] {
            waiting.kill(dropped);
        }
        waiting.kill(signal);
        let ended = waiting.end();
        assert_sentence(&ended, "exitdir-run", 128 + signal);
        assert_eq!(ended.stdout, "");
        assert_eq!(keys(&world, "main"), "Waiting Lock ExitCode Reason Died");
        assert_eq!(world.key("main", "Reason").as_deref(), Some("interrupted"));
    }
}

/// Variables without their `EXITDIR_`, with their values.
type Variables = &'static [(&'static str, &'static str)];

#[test]
fn every_option_can_be_given_as_a_variable() {
    const NEVER: (&str, &str) = ("BIRTH_DEPS", "never");
    let cases: [(Variables, &str, i32); 13] = [
        (&[("NAME", "main")], "true", 0),
        (&[("NAME", "main"), ("EXIT_ONLY", "true")], "true", 0),
        (&[NEVER, ("BIRTH_TIMEOUT", "10ms")], "true", 124),
        (&[("DEATH_DEPS", "dead")], "true", 143),
        (&[("DEATH_DEPS", "dead:ok,dead:failed")], "true", 143),
        (
            &[("DEATH_DEPS", "dead"), ("STOP_SIGNAL", "SIGUSR1")],
            "true",
            138,
        ),
        (&[("TIMEOUT", "10ms")], "sleep 60", 124),
        (&[("TIMEOUT", "10ms"), ("PASS_CODE", "1")], "sleep 60", 143),
        (
            &[
                ("TIMEOUT", "10ms"),
                ("PASS_CODE", "true"),
                ("STOP_SIGNAL", "int"),
            ],
            "sleep 60",
            130,
        ),
        (
            &[
                ("TIMEOUT", "10ms"),
                ("PASS_CODE", "1"),
                ("STOP_SIGNAL", "CONT"),
                ("GRACE_PERIOD", "10ms"),
            ],
            "sleep 60",
            137,
        ),
        (&[("EXPECT_CODE", "1,2,3")], "false", 0),
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
                ("PASS_CODE", "false"),
            ],
            "true",
            0,
        ),
    ];
    for (variables, command, status) in cases {
        let world = World::new();
        dead(&world, "dead", "3");
        let mut run = world.run(command.split(' '));
        run.envs(
            variables
                .iter()
                .map(|(name, value)| (format!("EXITDIR_{name}"), value)),
        );
        let ended = run.finish();
        assert_eq!(ended.status, status, "{variables:?}: {}", ended.stderr);
        let named = variables.iter().any(|(name, _)| *name == "NAME");
        assert_eq!(
            world.entries().contains(&"main".to_owned()),
            named,
            "{variables:?}"
        );
        let ready = !variables
            .iter()
            .any(|(name, value)| *name == "EXIT_ONLY" && *value == "true" || *value == "signal");
        assert_eq!(
            world.key("main", "Ready").is_some(),
            named && ready,
            "{variables:?}"
        );
    }
}

#[test]
fn the_command_line_wins_over_variables_and_an_empty_variable_is_none() {
    let cases: [(&[&str], Variables, &str, i32); 9] = [
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
            &["--pass-code", "--timeout=10ms"],
            &[("PASS_CODE", "0")],
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
                ("PASS_CODE", ""),
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
        let world = World::new();
        dead(&world, "dead", "3");
        let mut run = world.run(options);
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
            !world.entries().contains(&"other".to_owned()),
            "{options:?}"
        );
    }
    let world = World::new();
    let ended = world
        .run(["-n", "main", "-d"])
        .arg(world.path("elsewhere"))
        .args(["--", "true"])
        .finish();
    assert_eq!(ended.status, 0);
    assert_eq!(
        crate::world::entries(&world.path("elsewhere")),
        ["main"],
        "-d wins over EXIT_DIR"
    );
    assert!(world.entries().is_empty());
}

#[test]
fn lists_are_separated_by_commas_and_options_may_be_repeated() {
    for options in [
        &["--death-deps", "a,b,dead"][..],
        &["--death-deps", "a,b", "--death-deps", "dead"],
        &["--death-deps=dead", "--death-deps=a"],
    ] {
        let world = World::new();
        dead(&world, "dead", "3");
        assert_eq!(
            world.run(options).args(["--", "true"]).finish().status,
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
        let world = World::new();
        assert_eq!(
            world.run(options).args(["--", "false"]).finish().status,
            0,
            "{options:?}"
        );
    }
    let world = World::new();
    dead(&world, "a", "0");
    let both = [
        "--birth-deps",
        "a:ok,b:ok",
        "--birth-timeout",
        "0",
        "--",
        "true",
    ];
    assert_eq!(
        world.run(both).finish().status,
        124,
        "all birth dependencies must hold"
    );
    dead(&world, "b", "0");
    assert_eq!(world.run(both).finish().status, 0);
    // Of several that hold at once, the first in the order of the options decides.
    dead(&world, "c", "3");
    for (order, status, cause) in [("a,c", 0, "a"), ("c,a", 143, "c"), ("x,c,a", 143, "c")] {
        let ended = world
            .run(["-n", "main", "--death-deps", order, "--", "true"])
            .finish();
        assert_eq!(
            (ended.status, world.key("main", "Cause").as_deref()),
            (status, Some(cause)),
            "{order}"
        );
    }
}

#[test]
fn a_command_is_never_started_after_the_death_of_what_it_depends_on() {
    let world = World::new();
    dead(&world, "gone", "0");
    dead(&world, "there", "0");
    // Both hold at the first look.
    let ended = world
        .run([
            "-n",
            "a",
            "--birth-deps",
            "there:ok",
            "--death-deps",
            "gone",
            "--",
            "echo",
            "started",
        ])
        .finish();
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    assert!(
        ended
            .stderr
            .contains("gone died with exit code 0: not starting echo"),
        "{}",
        ended.stderr
    );
    // While it waits.
    let waiting = world
        .run([
            "-n",
            "b",
            "--birth-deps",
            "never",
            "--death-deps",
            "later",
            "--",
            "echo",
            "started",
        ])
        .start();
    world.await_key("b", "Lock");
    dead(&world, "later", "3");
    let ended = waiting.end();
    assert_eq!((ended.status, ended.stdout.as_str()), (143, ""));
    assert_eq!(world.key("b", "Cause").as_deref(), Some("later"));
}

#[test]
fn a_name_that_is_both_dependencies_is_expected_to_come_back() {
    let world = World::new();
    dead(&world, "db", "3");
    let app = world
        .run([
            "-n",
            "app",
            "--birth-deps",
            "db",
            "--death-deps",
            "db",
            "--",
            "sleep",
            "60",
        ])
        .start();
    world.await_key("app", "Lock");
    let db = world.run(["-n", "db", "--", "sleep", "60"]).start();
    world.await_key("app", "Ready");
    db.kill(15);
    assert_eq!((db.end().status, app.end().status), (143, 143));
}

#[test]
fn with_exit_only_nothing_is_written_until_death() {
    for (script, key) in [("exit 3", "3"), ("exit 0", "0")] {
        let world = World::new();
        std::fs::create_dir(world.dir()).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        // A name that ends a rename would show it: everything that ever happens in the directory is recorded.
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(
            &watch,
            world.dir(),
            WatchFlags::CREATE | WatchFlags::MOVED_TO,
        )
        .unwrap();
        let marker = world.path("marker");
        let script = format!("touch \"$0\"; read x; {script}");
        let main = world
            .run([
                "-n",
                "main",
                "--exit-only",
                "--death-deps",
                ":failed",
                "--",
                "sh",
                "-c",
                &script,
            ])
            .arg(&marker)
            .stdin(reader)
            .start();
        eventually("CMD runs", || marker.exists().then_some(()));
        assert_eq!(
            rustix::io::read(&watch, &mut [0_u8; 512]).unwrap_err(),
            rustix::io::Errno::AGAIN,
            "not even hidden files"
        );
        assert!(world.entries().is_empty());
        drop(writer);
        assert_eq!(main.end().status.to_string(), key);
        assert_eq!(world.entries(), ["main"]);
        assert_eq!(world.key("main", "ExitCode").as_deref(), Some(key));
        assert_eq!(world.wait(["-t", "0", "main"]).finish().status, 0);
    }
    let world = World::new();
    let main = world
        .run([
            "-n",
            "main",
            "--exit-only",
            "--birth-deps",
            "never",
            "--death-deps",
            "x",
            "--",
            "true",
        ])
        .start();
    await_sleep(&main);
    assert!(world.entries().is_empty());
    main.kill(15);
    assert_eq!(main.end().status, 143);
    assert_eq!(world.key("main", "Reason").as_deref(), Some("interrupted"));
}

#[test]
fn names_of_every_length_work_and_leave_nothing_else_behind() {
    let world = World::new();
    let mut names: Vec<String> = (249..=255).map(|length| "n".repeat(length)).collect();
    // Alike up to the last byte.
    names.push(format!("{}x", "n".repeat(254)));
    let lives: Vec<Running> = names
        .iter()
        .map(|name| world.run(["-n", name, "--", "sleep", "60"]).start())
        .collect();
    for name in &names {
        world.await_key(name, "Ready");
    }
    names.sort();
    assert_eq!(world.entries(), names);
    let longest = names.iter().find(|name| name.len() == 255).unwrap();
    assert_eq!(
        world.run(["-n", longest, "--", "true"]).finish().status,
        125,
        "the name is taken"
    );
    let follower = world
        .run(["--death-deps", longest, "--", "sleep", "60"])
        .start();
    await_sleep(&follower);
    lives.iter().for_each(|life| life.kill(15));
    lives
        .into_iter()
        .for_each(|life| assert_eq!(life.end().status, 143));
    assert_eq!(follower.end().status, 143);
    assert_eq!(world.signal(["-c", "3", longest]).finish().status, 0);
    assert_eq!(world.wait(["-x", longest]).finish().status, 3);
    assert_eq!(world.entries(), names);
}

#[test]
fn the_command_gets_its_words_environment_and_standard_streams_as_they_are() {
    let world = World::new();
    let shell = |script: &str, words: &[&str]| {
        let mut command = world.command("sh");
        command.args(["-c", script]).arg(binary()).args(words);
        command
    };
    let ended = shell("echo 'to stdin' | \"$0\" run -n main -- sh -c 'cat; echo \"$#:$1:$2\"; echo err >&2' sh '' 'a  b'", &[]).finish();
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("to stdin\n2::a  b\n", "err\n")
    );

    let plain = world
        .command("env")
        .env("EXITDIR_NAME", "main")
        .env("STRANGE", " \n\u{e4}")
        .finish();
    let ours = world
        .run(["env"])
        .env("EXITDIR_NAME", "main")
        .env("STRANGE", " \n\u{e4}")
        .finish();
    assert_eq!(
        ours.stdout, plain.stdout,
        "the environment is ours, nothing more and nothing less"
    );
    // In one process, which may have inherited more.
    let script = "exec 7</dev/null; ls /proc/self/fd; echo and; exec \"$0\" run -n x --death-deps never -- ls /proc/self/fd";
    let ended = shell(script, &[]).finish();
    let (plain, ours) = ended.stdout.split_once("and\n").unwrap();
    assert_eq!(
        ours, plain,
        "no descriptor of ours leaks, none of our parent's is kept from it"
    );
    assert!(ours.lines().any(|fd| fd == "7"), "{ours}");
}

#[test]
fn closed_standard_streams_are_handed_on_closed_and_never_become_a_tombstone() {
    for (closing, expected) in [
        ("0<&-", "101"),
        ("1>&-", "011"),
        ("2>&-", "110"),
        ("0<&- 1>&- 2>&-", "000"),
        ("", "111"),
    ] {
        for applet in ["run -n main --death-deps never --", "wait :ok --"] {
            let world = World::new();
            dead(&world, "corpse", "0");
            let expected = if expected == "101" {
                "011"
            } else if expected == "011" {
                "101"
            } else {
                expected
            };
            for (fd, open) in expected.chars().enumerate() {
                // No shell between: it might open what is missing.
                let script = format!(
                    "exec {closing}; exec \"$0\" {applet} /usr/bin/test -e /proc/self/fd/{fd}"
                );
                let ended = world
                    .command("sh")
                    .args(["-c", &script])
                    .arg(binary())
                    .finish();
                assert_eq!(
                    ended.status,
                    i32::from(open == '0'),
                    "{applet} {closing}: descriptor {fd}: {ended:?}"
                );
            }
        }
        // What we say ourselves goes nowhere, least of all into the tombstone.
        let world = World::new();
        let script = format!(
            "exec {closing}; exec \"$0\" run -v -n main --death-deps never -- /nonexistent"
        );
        assert_eq!(
            world
                .command("sh")
                .args(["-c", &script])
                .arg(binary())
                .finish()
                .status,
            127
        );
        assert_eq!(
            keys(&world, "main"),
            "Waiting Lock ExitCode Reason Message Died",
            "{closing}: {}",
            world.tombstone("main")
        );
    }
}

#[test]
fn signal_mask_and_dispositions_are_those_that_we_were_started_with() {
    // No shell between: dash clears its mask.
    let show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    for preparation in [
        &["env"][..],
        &["env", "--block-signal=USR1,TERM,RTMIN+3"],
        &["env", "--ignore-signal=PIPE"],
        &[
            "env",
            "--ignore-signal=PIPE,HUP,INT,CHLD",
            "--block-signal=CHLD,PIPE",
        ],
    ] {
        let world = World::new();
        dead(&world, "corpse", "0");
        let plain = world
            .command(preparation[0])
            .args(&preparation[1..])
            .args(show)
            .finish();
        assert_eq!(plain.stdout.lines().count(), 3, "{plain:?}");
        for applet in [
            &["run", "-n", "main", "--death-deps", "never", "--"][..],
            &["wait", "corpse", "--"],
        ] {
            let ended = world
                .command(preparation[0])
                .args(&preparation[1..])
                .arg(binary())
                .args(applet)
                .args(show)
                .finish();
            assert_eq!(
                (ended.status, &ended.stdout),
                (0, &plain.stdout),
                "{preparation:?} {applet:?}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn the_command_leads_a_process_group_of_its_own() {
    let world = World::new();
    let ended = world.run(["cat", "/proc/self/stat"]).finish();
    let fields: Vec<&str> = ended.stdout.split(' ').collect();
    assert_eq!(fields[0], fields[4], "process and group: {}", ended.stdout);
}

#[test]
fn every_signal_is_passed_on() {
    // By number: real-time ones too, whatever a C library keeps for itself. (32 and 33 are ignored
    // in whatever is started with glibc's posix_spawn, as here.)
    for number in [1, 2, 3, 6, 10, 12, 14, 15, 24, 34, 35, 37, 64] {
        let world = World::new();
        let main = world.run(["-n", "main", "--", "sleep", "60"]).start();
        world.await_key("main", "Born");
        let pid = main.pid().to_string();
        let sent = world
            .command("kill")
            .args([&format!("-{number}"), &pid])
            .finish();
        assert_eq!(sent.status, 0, "kill -{number}: {}", sent.stderr);
        assert_eq!(main.end().status, 128 + number, "signal {number}");
        assert_eq!(
            world.key("main", "ExitCode"),
            Some((128 + number).to_string())
        );
        assert_eq!(
            world.key("main", "Reason").as_deref(),
            Some("exited"),
            "it was sent from outside"
        );
    }
}

#[test]
fn a_term_from_outside_becomes_the_stop_signal_and_others_stay_what_they_are() {
    let traps = "for s in INT HUP TERM USR1; do trap \"echo $s >> '$DIARY'\" $s; done";
    let diarist = Diarist::start(traps, |world| {
        world.run(["-n", "main", "--stop-signal", "INT"])
    });
    for (sent, received) in [(15, "INT"), (1, "HUP"), (10, "USR1")] {
        diarist.running.kill(sent);
        diarist.await_entry(received);
    }
    assert_eq!(diarist.diary(), ["up", "INT", "HUP", "USR1"]);
    diarist.let_go();
    assert_eq!(diarist.running.end().status, 5);
}

#[test]
fn a_stop_sends_nothing_if_its_signal_was_passed_on_before() {
    let traps = "for s in TERM USR1; do trap \"echo $s >> '$DIARY'\" $s; done";
    let diarist = Diarist::start(traps, |world| {
        world.run(["-n", "main", "--death-deps", "dep"])
    });
    diarist.running.kill(15);
    diarist.await_entry("TERM");
    dead(&diarist.world, "dep", "0");
    diarist.world.await_key("main", "Cause");
    // Whatever was sent with the stop comes before this.
    diarist.running.kill(10);
    diarist.await_entry("USR1");
    diarist.let_go();
    let Diarist { world, running } = diarist;
    assert_eq!(running.end().status, 5);
    assert_eq!(lines(&world.path("diary")), ["up", "TERM", "USR1"]);
}

#[test]
fn with_group_signals_go_to_everybody_in_it() {
    for (group, expected) in [(true, vec!["child", "up"]), (false, vec!["up"])] {
        // The child of the command says that it got the signal; the command itself ignores it.
        let traps = "(trap '' USR2; trap 'echo child >> \"$DIARY\"; exit' USR1; echo child-up > \"$DIARY.child\"; while test -d \"$WORLD\" && ! test -e \"$WORLD/end\"; do sleep 0.01; done) & \
                     trap '' USR1; trap 'echo done >> \"$DIARY.done\"' USR2; while ! test -e \"$DIARY.child\"; do sleep 0.01; done";
        let diarist = Diarist::start(traps, |world| {
            world.run(if group {
                &["-g", "-n", "main"][..]
            } else {
                &["-n", "main"]
            })
        });
        diarist.running.kill(10);
        diarist.running.kill(12);
        eventually("the second signal came", || {
            diarist.world.path("diary.done").exists().then_some(())
        });
        if group {
            diarist.await_entry("child");
        }
        diarist.let_go();
        let Diarist { world, running } = diarist;
        assert_eq!(running.end().status, 5);
        let mut diary = lines(&world.path("diary"));
        diary.sort();
        assert_eq!(diary, expected);
    }
}

#[test]
fn a_command_that_does_not_stop_is_killed_after_the_grace_period() {
    for (grace, deaf) in [("0", true), ("50ms", true), ("1h", false)] {
        let traps = if deaf {
            "trap '' TERM"
        } else {
            "trap 'exit 6' TERM"
        };
        let diarist = Diarist::start(traps, |world| {
            world.run(["-n", "main", "--death-deps", "dep", "--grace-period", grace])
        });
        dead(&diarist.world, "dep", "3");
        let Diarist { world, running } = diarist;
        let ended = running.end();
        let (status, reason) = if deaf {
            (137, "killed")
        } else {
            (6, "stopped")
        };
        assert_eq!(ended.status, status, "{grace}: {}", ended.stderr);
        assert_eq!(
            world.key("main", "Reason").as_deref(),
            Some(reason),
            "{grace}"
        );
        assert_eq!(
            world.key("main", "Signal").as_deref(),
            deaf.then_some("KILL"),
            "{grace}"
        );
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert!(
            lines[0].starts_with("exitdir-run: dep died with exit code 3: stopping sh with TERM"),
            "{}",
            ended.stderr
        );
        assert_eq!(
            lines.len(),
            if deaf { 2 } else { 1 },
            "a stop, and KILL: {}",
            ended.stderr
        );
    }
    // A TERM from outside has no grace period: whoever sent it may send KILL.
    let diarist = Diarist::start("trap 'echo TERM >> \"$DIARY\"' TERM", |world| {
        world.run(["-n", "main", "--grace-period", "0"])
    });
    diarist.running.kill(15);
    diarist.await_entry("TERM");
    diarist.let_go();
    assert_eq!(diarist.running.end().status, 5);
}

#[test]
fn readiness_on_signal_comes_from_outside() {
    let world = World::new();
    let _main = world
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    let waiting = world
        .run(["-n", "app", "--birth-deps", "main", "--", "echo", "started"])
        .start();
    let born = world
        .run(["--birth-deps", "main:born", "--", "echo", "started"])
        .finish();
    assert_eq!(born.stdout, "started\n");
    world.await_key("app", "Lock");
    assert_eq!(keys(&world, "main"), "Waiting Lock Born");
    world.signal(["--ready", "main"]).finish();
    assert_eq!(waiting.end().stdout, "started\n");
    assert_eq!(keys(&world, "main"), "Waiting Lock Born Ready");
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
        let world = World::new();
        let ended = world
            .run(["-n", "main"])
            .args(options.split(' '))
            .args(["--", "sh", "-c", script])
            .finish();
        assert_eq!(ended.status, status, "{options}: {script}");
        assert_eq!(
            world.key("main", "ExitCode"),
            Some(status.to_string()),
            "what exitdir-run itself exits with"
        );
    }
}

#[test]
fn quiet_says_errors_only_and_verbose_more() {
    let said = |options: &[&str], deps: &str| {
        let world = World::new();
        dead(&world, "dep", "0");
        let ended = world
            .run(options)
            .args(["--death-deps", deps, "--", "true"])
            .finish();
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        ended.stderr.lines().count()
    };
    assert_eq!(said(&[], "dep"), 1, "not starting");
    assert_eq!(said(&["-q"], "dep"), 0);
    assert_eq!(said(&[], "never"), 0);
    assert!(said(&["-v"], "never") >= 1);
    assert!(said(&["-vvv"], "never") >= 1);
    let world = World::new();
    assert_sentence(
        &world
            .run([
                "-q",
                "--birth-deps",
                "never",
                "--birth-timeout",
                "0",
                "true",
            ])
            .finish(),
        "exitdir-run",
        124,
    );
}

/// A pipe that no other test's processes inherit.
fn cloexec_pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// A pipe that takes `room` bytes more, and its reading end.
fn filled_pipe(room: usize) -> (OwnedFd, OwnedFd) {
    let (reader, writer) = cloexec_pipe();
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, OFlags::empty()).unwrap();
    let mut back = vec![0; room];
    let mut left = room;
    while left > 0 {
        left -= rustix::io::read(&reader, &mut back[..left]).unwrap();
    }
    (reader, writer)
}

#[test]
fn a_standard_error_that_takes_nothing_disturbs_nobody() {
    for kind in ["closed", "full device", "nobody reads", "full pipe"] {
        let traps = "trap 'echo USR1 >> \"$DIARY\"' USR1; trap 'echo PIPE >> \"$DIARY\"' PIPE; trap 'echo TERM >> \"$DIARY\"' TERM; exec 2>/dev/null";
        let mut held = None;
        let diarist = Diarist::start(traps, |world| match kind {
            "closed" => {
                let mut command = world.command("sh");
                command
                    .args(["-c", "exec 2>&-; exec \"$0\" \"$@\""])
                    .arg(binary())
                    .args(["run", "-v", "-n", "main", "--death-deps", "dep"]);
                command
            }
            _ => {
                let mut command = world.run(["-v", "-n", "main", "--death-deps", "dep"]);
                match kind {
                    "full device" => command.stderr(
                        std::fs::File::options()
                            .write(true)
                            .open("/dev/full")
                            .unwrap(),
                    ),
                    "nobody reads" => command.stderr(cloexec_pipe().1),
                    _ => {
                        let (reader, writer) = filled_pipe(0);
                        held = Some(reader);
                        command.stderr(writer)
                    }
                };
                command
            }
        });
        // Each of these is worth a line to -v.
        diarist.running.kill(10);
        diarist.await_entry("USR1");
        dead(&diarist.world, "dep", "0");
        diarist.await_entry("TERM");
        assert_eq!(diarist.diary(), ["up", "USR1", "TERM"], "{kind}");
        diarist.let_go();
        let Diarist { world, running } = diarist;
        assert_eq!(running.end().status, 5, "{kind}");
        assert_eq!(
            keys(&world, "main"),
            "Waiting Lock Born Ready Cause ExitCode Reason Died",
            "{kind}"
        );
        drop(held);
    }
}

#[test]
fn a_long_line_to_a_pipe_that_is_almost_full_does_not_block_either() {
    let world = World::new();
    let names: Vec<String> = (0..200)
        .map(|at| format!("{}{at}", "n".repeat(200)))
        .collect();
    let (_reader, writer) = filled_pipe(4096);
    let mut run = world.run([
        "-n",
        "main",
        "--birth-timeout",
        "0",
        "--birth-deps",
        &names.join(","),
        "--",
        "true",
    ]);
    assert_eq!(run.stderr(Stdio::from(writer)).finish().status, 124);
    assert_eq!(
        world.key("main", "Reason").as_deref(),
        Some("birth-timeout")
    );
}

#[test]
fn the_command_dies_with_a_supervisor_that_is_killed() {
    let diarist = Diarist::start("echo $$ > \"$DIARY.pid\"; trap '' TERM HUP", |world| {
        world.run(["-n", "main"])
    });
    let pid = std::fs::read_to_string(diarist.world.path("diary.pid")).unwrap();
    assert!(!is_gone(&pid));
    diarist.running.kill(9);
    let Diarist { world, running } = diarist;
    assert_eq!(running.end().status, 137);
    eventually("CMD is gone", || is_gone(&pid).then_some(()));
    assert_eq!(keys(&world, "main"), "Waiting Lock Born Ready");
}

#[test]
fn what_we_were_started_with_ignored_does_not_end_a_wait() {
    let world = World::new();
    let mut command = world.command("env");
    let waiting = command
        .args(["--ignore-signal=HUP,INT"])
        .arg(binary())
        .args([
            "run",
            "-n",
            "main",
            "--birth-deps",
            "db",
            "--",
            "echo",
            "started",
        ])
        .start();
    await_sleep(&waiting);
    waiting.kill(1);
    waiting.kill(2);
    world.signal(["--ready", "db"]).finish();
    let ended = waiting.end();
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "started\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn as_pid_1_zombies_are_reaped_and_signals_passed_on() {
    let world = World::new();
    let inside = |words: &[&str]| {
        let mut command = world.command("unshare");
        command
            .args(["-pf", "--mount-proc", "--kill-child"])
            .args(words);
        command
    };
    if !is_permitted("a PID namespace", &mut inside(&["true"])) {
        return;
    }
    // Orphans come to PID 1; each leaves a zombie unless it is reaped.
    let script = "for i in 1 2 3 4 5; do (sh -c 'exit 3' &); done; tries=0\n\
                  while grep -qs '^State:.Z' /proc/[0-9]*/status && test $tries -lt 1000; do sleep 0.01; tries=$((tries + 1)); done\n\
                  echo \"$(grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l) $PPID\"; exit 4";
    let exitdir = binary();
    let ended = inside(&[
        &exitdir.to_string_lossy(),
        "run",
        "-n",
        "main",
        "--",
        "sh",
        "-c",
        script,
    ])
    .finish();
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (4, "0 1\n"),
        "{}",
        ended.stderr
    );

    let outer = inside(&[
        &exitdir.to_string_lossy(),
        "run",
        "-n",
        "next",
        "--",
        "sleep",
        "60",
    ])
    .start();
    world.await_key("next", "Born");
    let inner =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", outer.pid())).unwrap();
    assert_eq!(
        world
            .command("kill")
            .args(["-TERM", inner.trim()])
            .finish()
            .status,
        0
    );
    assert_eq!(outer.end().status, 143);
    assert_eq!(world.key("next", "Signal").as_deref(), Some("TERM"));
}

#[test]
fn a_directory_that_goes_away_does_not_end_the_command() {
    let diarist = Diarist::start("trap 'echo TERM >> \"$DIARY\"; exit 6' TERM", |world| {
        world.run(["-n", "main", "--poll", "20ms", "--death-deps", "dep"])
    });
    std::fs::rename(diarist.world.dir(), diarist.world.path("old")).unwrap();
    // When it is back it is watched again, and the end goes to the directory that is there.
    dead(&diarist.world, "other", "0");
    dead(&diarist.world, "dep", "3");
    let Diarist { world, running } = diarist;
    let ended = running.end();
    assert_eq!(ended.status, 6, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("was removed, moved or unmounted"),
        "{}",
        ended.stderr
    );
    assert_eq!(world.key("main", "ExitCode").as_deref(), Some("6"));
    assert_eq!(world.key("main", "Cause").as_deref(), Some("dep"));
    assert_eq!(world.entries(), ["dep", "main", "other"]);

    // Gone for good: said, and CMD's status all the same.
    let diarist = Diarist::start(":", |world| {
        world.run(["-n", "main", "--poll", "20ms", "--death-deps", "dep"])
    });
    std::fs::rename(diarist.world.dir(), diarist.world.path("old")).unwrap();
    diarist.let_go();
    let Diarist { world, running } = diarist;
    let ended = running.end();
    assert_eq!(ended.status, 5, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .lines()
            .any(|line| line.contains("No such file or directory")),
        "{}",
        ended.stderr
    );
    assert!(!world.dir().exists());
}

#[test]
fn a_tombstone_that_is_removed_by_hand_comes_back_with_the_end() {
    let diarist = Diarist::start(":", |world| world.run(["-n", "main"]));
    let waiting = diarist.world.key("main", "Waiting");
    std::fs::remove_file(diarist.world.dir().join("main")).unwrap();
    diarist.let_go();
    let Diarist { world, running } = diarist;
    assert_eq!(running.end().status, 5);
    assert_eq!(world.key("main", "ExitCode").as_deref(), Some("5"));
    assert_eq!(world.key("main", "Waiting"), waiting);
    assert_eq!(world.entries(), ["main"]);
}

#[test]
fn why_we_ended_the_container_is_left_in_the_termination_log() {
    let world = World::new();
    dead(&world, "dep", "3");
    let inside = |before: &str, words: &str| {
        let mut command = world.command("unshare");
        let script = format!(
            "mount -t tmpfs tmpfs /dev && {before} >/dev/termination-log; \"$0\" run {words} 2>&1; cat /dev/termination-log 1>&2"
        );
        command.args(["-m", "sh", "-c", &script]).arg(binary());
        command
    };
    if !is_permitted(
        "a mount over /dev",
        world
            .command("unshare")
            .args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /dev"]),
    ) {
        return;
    }
    for words in [
        "--death-deps dep -- true",
        "--timeout 0 -- sleep 60",
        "--birth-deps never --birth-timeout 0 -- true",
        "-- /nonexistent",
        "--bogus",
        "-n bad/name -- true",
        "-q --death-deps dep -- true",
    ] {
        let ended = inside(":", words).finish();
        let said = if words.starts_with("-q") {
            "exitdir-run: dep died with exit code 3: not starting true\n"
        } else {
            &ended.stdout
        };
        assert_eq!(ended.stderr, said, "{words}");
        assert_eq!(said.lines().count(), 1, "{words}: {ended:?}");
        assert_eq!(
            inside("echo before", words).finish().stderr,
            "before\n",
            "{words}: only if it is empty"
        );
    }
    for words in ["-- false", "-e 1 -- false", "-- true"] {
        assert_eq!(
            inside(":", words).finish().stderr,
            "",
            "{words}: the command's own end"
        );
    }
}
