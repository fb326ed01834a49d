//! A command that runs while a file exists: how the file comes and goes, at which moments, what ends the life in
//! between, and what a configuration does then. Chance tries the same in `managed_walk`.
//!
//! These lives do without the slow look, so that nothing makes good for an event that was missed.

use crate::cast::{dead, lines};
use crate::permits::{ONE_INSTANCE, deprived, is_permitted};
use crate::seen::{is_gone, keys};
use crate::world::{Ended, Running, Start, World, binary, eventually};
use exitdir::{ExitDir, Name, State};
use std::fmt::{Display, Formatter};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HUP: i32 = 1;
const INT: i32 = 2;
const QUIT: i32 = 3;
const USR1: i32 = 10;
const TERM: i32 = 15;

/// A command that runs until it is told to stop.
const SERVE: &str = "echo $$ >>starts; exec sleep 60";
/// One that stops when it may, and says so. A HUP on the way would end it without a word.
const SLOW: &str = "trap 'trap - HUP; echo TERM >>said; until test -e go; do sleep 0.01; done; echo bye >>said; exit 5' TERM; \
                    trap 'echo HUP >>said' HUP; echo $$ >>starts; while test -e starts; do sleep 0.01; done";
/// One that fails at once, as often as there is a line in `failures`, and then serves.
const FAIL: &str =
    "echo $$ >>starts; test $(wc -l <starts) -gt $(wc -l <failures) || exit 3; exec sleep 60";

/// `exitdir-run` over a command that runs while `a` exists, in the world's own directory.
struct App {
    running: Running,
    world: World,
}

struct AsItStands<'a> {
    app: &'a App,
    what: String,
}

impl Display for AsItStands<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (state, starts) = (self.app.state(), self.app.starts().len());
        let said = self.app.read("stderr");
        write!(f, "{}: {state:?} after {starts} starts: {said}", self.what)
    }
}

impl App {
    /// `-n x --active-while a OPTIONS -- sh -c SCRIPT`.
    fn start(options: &str, script: &str) -> App {
        App::begin(World::new(), options, script)
    }

    fn active(options: &str, script: &str) -> App {
        let world = World::new();
        fs::write(world.path("a"), "").unwrap();
        let app = App::begin(world, options, script);
        app.await_starts(1);
        app
    }

    fn begin(world: World, options: &str, script: &str) -> App {
        let command = world.applet("run");
        App::of(
            world,
            command,
            &format!("-n x --active-while a {options}"),
            script,
        )
    }

    fn of(world: World, mut command: Command, options: &str, script: &str) -> App {
        let running = command
            .args(["--poll", "off"])
            .args(options.split_whitespace())
            .args(["--", "sh", "-c", script])
            .current_dir(world.path("."))
            // What outlives the command would keep a pipe open.
            .stdout(Stdio::null())
            .stderr(fs::File::create(world.path("stderr")).unwrap())
            .start();
        App { running, world }
    }

    fn touch(&self, name: &str) {
        fs::write(self.world.path(name), "").unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.world.path(name)).unwrap();
    }

    fn activate(&self) {
        self.touch("a");
    }

    fn deactivate(&self) {
        self.remove("a");
    }

    /// Something new for what is configured with `f=file`, complete at once.
    fn configure(&self, text: &str) {
        fs::write(self.world.path("f.new"), text).unwrap();
        fs::rename(self.world.path("f.new"), self.world.path("f")).unwrap();
    }

    fn await_placed(&self, text: &str) {
        eventually(format!("{text} is in place"), || {
            (self.read("file") == text).then_some(())
        });
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.world.path(name)).unwrap_or_default()
    }

    fn starts(&self) -> Vec<String> {
        lines(&self.world.path("starts"))
    }

    /// What is waited for, and, when it is written out, how things stand instead.
    fn as_it_stands(&self, what: String) -> impl Display {
        AsItStands { app: self, what }
    }

    fn await_starts(&self, count: usize) {
        eventually(self.as_it_stands(format!("start {count}")), || {
            (self.starts().len() >= count).then_some(())
        });
    }

    fn state(&self) -> Option<State> {
        let life = ExitDir::new(self.world.dir())
            .life(&Name::new("x").unwrap())
            .ok()??;
        life.state()
    }

    #[track_caller]
    fn await_state(&self, state: State) {
        eventually(self.as_it_stands(format!("{state:?}")), || {
            (self.state() == Some(state)).then_some(())
        });
    }

    fn await_inactive(&self) {
        self.await_state(State::Inactive);
        for pid in self.starts() {
            assert!(is_gone(&pid), "inactive, and {pid} runs");
        }
    }

    fn await_said(&self, words: &str, count: usize) {
        let what = self.as_it_stands(format!("{words}, {count} times"));
        eventually(what, || {
            (self.read("stderr").matches(words).count() >= count).then_some(())
        });
    }

    /// What the command says.
    fn await_word(&self, word: &str) {
        eventually(format!("the command says {word}"), || {
            self.read("said").contains(word).then_some(())
        });
    }

    /// Waits until it has looked at everything that was changed before: whatever it says of a signal that it
    /// drops comes before a look, and of a second one after it. Needs `-v`.
    fn await_look(&self) {
        for _ in 0..2 {
            let count = self.read("stderr").matches("dropped USR1").count();
            self.running.kill(USR1);
            self.await_said("dropped USR1", count + 1);
        }
    }

    fn stderr(&self) -> Vec<String> {
        let text = self.read("stderr");
        let line = |line: &str| line.strip_prefix("exitdir-run: ").unwrap().to_owned();
        text.lines().map(line).collect()
    }

    /// Ends it with a signal, and checks that no command is left.
    fn end(self, signal: i32) -> (Ended, World) {
        self.running.kill(signal);
        self.ended()
    }

    fn ended(self) -> (Ended, World) {
        let App { running, world } = self;
        let mut ended = running.end();
        ended.stderr = fs::read_to_string(world.path("stderr")).unwrap();
        for pid in lines(&world.path("starts")) {
            assert!(is_gone(&pid), "{pid} was left: {ended:?}");
        }
        (ended, world)
    }
}

/// Plays all of them at the same time.
fn at_once<C: Sync>(cases: &[C], play: impl Fn(&C) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| play(case));
        }
    });
}

// ---------------------------------------------------------------- how the file comes and goes

/// FILE, what is there before, how it comes, and how it goes.
struct Coming(&'static str, &'static str, &'static str, &'static str);

const COMINGS: [Coming; 9] = [
    Coming("a", "", ": >a", "rm a"),
    Coming("a", ": >b", "mv b a", "mv a b"),
    Coming("a", ": >b", "ln b a", "rm a"),
    Coming("a", "", "mkdir a", "rmdir a"),
    Coming("d/a", "", "mkdir d && : >d/a", "rm -r d"),
    Coming(
        "d/e/a",
        "mkdir d",
        "mkdir -p b/e && : >b/e/a && mv b/e d",
        "mv d/e b; rm -r b",
    ),
    Coming(
        "d/a",
        "mkdir b c; : >c/a; ln -s b d",
        "ln -s c n && mv -T n d",
        "ln -s b n && mv -T n d",
    ),
    Coming("a", "ln -s b/c a", "mkdir b && : >b/c", "rm -r b"),
    Coming(
        "d/a",
        "mkdir b; ln -s b ..data; ln -s ..data/a a; ln -s . d",
        ": >b/a",
        "rm b/a",
    ),
];

#[test]
fn a_command_runs_while_the_file_exists_however_it_comes_and_goes_and_all_of_it_is_one_life() {
    at_once(&COMINGS, |Coming(file, before, come, go)| {
        let world = World::new();
        let shell = |world: &World, script: &str| {
            let mut shell = Command::new("sh");
            let done = shell
                .args(["-ec", script])
                .current_dir(world.path("."))
                .status();
            assert!(done.unwrap().success(), "{script}");
        };
        shell(&world, before);
        let run = world.applet("run");
        let app = App::of(world, run, &format!("-n x --active-while {file}"), SERVE);
        app.await_inactive();
        assert_eq!(app.starts().len(), 0, "{file}, {come}");
        let life = app.world.key("x", "Waiting");
        for round in 1..=3 {
            shell(&app.world, come);
            app.await_starts(round);
            app.await_state(State::Ready);
            assert_eq!(keys(&app.world, "x"), "Waiting Lock Born Ready");
            shell(&app.world, go);
            app.await_inactive();
            assert_eq!(keys(&app.world, "x"), "Waiting Lock Born Inactive");
        }
        assert_eq!(app.starts().len(), 3);
        assert_eq!(app.world.key("x", "Waiting"), life);
        let born = app.world.key("x", "Born");
        let (ended, world) = app.end(TERM);
        assert_eq!(ended.status, 143, "{}", ended.stderr);
        assert_eq!(world.key("x", "Waiting"), life);
        assert_eq!(world.key("x", "Born"), born);
        assert_eq!(world.entries(), ["x"]);
    });
}

#[test]
fn a_wait_for_inactive_ends_when_the_file_is_missing_and_not_before() {
    let app = App::active("", SERVE);
    app.await_state(State::Ready);
    let wait = |limit| app.world.wait(["x:inactive", "-t", limit]).finish().status;
    assert_eq!(wait("0"), 124);
    app.deactivate();
    assert_eq!(wait("30s"), 0);
    assert_eq!(wait("0"), 0);
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    assert_eq!(wait("0"), 124);
}

#[test]
fn everything_that_is_done_about_the_file_is_said_in_a_line_unless_it_is_to_be_quiet() {
    for (option, said) in [("", true), ("-q", false)] {
        let app = App::start(option, SERVE);
        app.await_inactive();
        for round in 1..=2 {
            app.activate();
            app.await_starts(round);
            app.await_state(State::Ready);
            app.deactivate();
            app.await_inactive();
        }
        let (ended, _world) = app.end(TERM);
        let expected = [
            "exitdir-run: a does not exist: sh stays down\n",
            "exitdir-run: a exists: starting sh\n",
            "exitdir-run: a does not exist: stopping sh with TERM\n",
            "exitdir-run: a exists: starting sh\n",
            "exitdir-run: a does not exist: stopping sh with TERM\n",
            "exitdir-run: ended by TERM: sh was not running\n",
        ];
        let expected = if said {
            expected.concat()
        } else {
            String::new()
        };
        assert_eq!(ended.stderr, expected);
    }
    // What is there from the start is nothing to speak of.
    let app = App::active("", SERVE);
    app.await_state(State::Ready);
    let (ended, world) = app.end(TERM);
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
    assert_eq!(world.key("x", "Inactive"), None);
}

#[test]
fn a_file_that_cannot_be_looked_for_is_complained_of_once_and_changes_nothing() {
    const COMPLAINT: &str = "cannot look for a: Symbolic link loop";
    let world = World::new();
    symlink("a", world.path("a")).unwrap();
    let app = App::begin(world, "", SERVE);
    app.await_inactive();
    app.await_said(COMPLAINT, 1);
    app.remove("a");
    app.activate();
    app.await_starts(1);
    app.await_state(State::Ready);
    symlink("b", app.world.path("b")).unwrap();
    fs::rename(app.world.path("b"), app.world.path("a")).unwrap();
    symlink("a", app.world.path("b")).unwrap();
    symlink("b", app.world.path("c")).unwrap();
    fs::rename(app.world.path("c"), app.world.path("a")).unwrap();
    app.remove("a");
    app.await_inactive();
    let (ended, _world) = app.end(TERM);
    assert_eq!(
        ended.stderr.matches("cannot look").count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn without_a_name_and_a_directory_the_command_comes_and_goes_all_the_same() {
    let world = World::new();
    let mut run = world.applet("run");
    run.env_remove("EXIT_DIR");
    let app = App::of(world, run, "--active-while a", SERVE);
    app.await_said("stays down", 1);
    for round in 1..=2 {
        app.activate();
        app.await_starts(round);
        app.deactivate();
        eventually("it is stopped", || {
            is_gone(app.starts().last().unwrap()).then_some(())
        });
    }
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn as_pid_1_it_stays_when_its_command_goes() {
    const NAMESPACE: [&str; 3] = ["-pf", "--mount-proc", "--kill-child"];
    let mut trial = Command::new("unshare");
    if !is_permitted("a PID namespace", trial.args(NAMESPACE).arg("true")) {
        return;
    }
    let world = World::new();
    let mut run = world.command("unshare");
    run.args(NAMESPACE).arg(crate::world::binary()).arg("run");
    // What the first command leaves behind is ours to reap, and no command.
    let script = "sleep 0.01 & echo $$ >>inside; exec sleep 60";
    let app = App::of(world, run, "-n x --active-while a", script);
    for round in 1..=3 {
        app.await_state(State::Inactive);
        app.activate();
        app.await_state(State::Ready);
        eventually("it is started", || {
            (lines(&app.world.path("inside")).len() == round).then_some(())
        });
        app.deactivate();
    }
    app.await_state(State::Inactive);
    let first = app.running.pid();
    let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
    let pid = rustix::process::Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (ended, world) = app.ended();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(world.key("x", "Reason").as_deref(), Some("interrupted"));
}

// ---------------------------------------------------------------- what ends a life without a command

/// Two that are inactive: one that has never had a command, one that has had one.
fn both(options: &str) -> [App; 2] {
    let fresh = App::start(options, SERVE);
    fresh.await_inactive();
    let tried = App::active(options, SERVE);
    tried.await_state(State::Ready);
    tried.deactivate();
    tried.await_inactive();
    [fresh, tried]
}

#[test]
fn a_signal_that_ends_ends_an_inactive_life_and_any_other_is_dropped() {
    at_once(&[HUP, INT, QUIT, TERM], |signal| {
        for app in both("-v") {
            app.await_look();
            let (ended, world) = app.end(*signal);
            assert_eq!(ended.status, 128 + signal, "{}", ended.stderr);
            let code = world.key("x", "ExitCode").unwrap();
            assert_eq!(code, (128 + signal).to_string());
            assert_eq!(world.key("x", "Reason").as_deref(), Some("interrupted"));
            assert!(ended.stderr.ends_with(": sh was not running\n"));
        }
    });
}

#[test]
fn a_death_dependency_ends_an_inactive_life_as_clean_as_it_was_itself() {
    let needed = "-v --birth-deps dep --death-deps dep";
    let cases = [
        ("-v --death-deps dep", "0", 0, "died with exit code 0"),
        ("-v --death-deps dep", "3", 143, "died with exit code 3"),
        (
            "-v --death-deps dep --stop-signal INT",
            "3",
            130,
            "died with exit code 3",
        ),
        (needed, "0", 143, "died with exit code 0"),
        (needed, "3", 143, "died with exit code 3"),
    ];
    at_once(&cases, |(options, code, status, what)| {
        for is_fresh in [true, false] {
            let app = App::start(options, SERVE);
            app.await_inactive();
            app.world.signal(["--ready", "dep"]).finish();
            // Where it is needed, only the death of one that was seen alive counts.
            app.await_look();
            if !is_fresh {
                app.activate();
                app.await_starts(1);
                app.deactivate();
                app.await_inactive();
            }
            dead(&app.world, "dep", code);
            let (ended, world) = app.ended();
            assert_eq!(ended.status, *status, "{options}: {}", ended.stderr);
            let deed = if is_fresh { "starting" } else { "restarting" };
            let sentence = format!("exitdir-run: dep {what}: not {deed} sh\n");
            assert!(ended.stderr.ends_with(&sentence), "{}", ended.stderr);
            assert_eq!(world.key("x", "Cause").as_deref(), Some("dep"));
            assert_eq!(world.key("x", "Reason").as_deref(), Some("stopped"));
        }
    });
}

// ---------------------------------------------------------------- what is waited for

#[test]
fn a_command_is_started_when_it_is_active_and_what_it_waits_for_is_there_in_any_order() {
    /// What it waits for, how that comes, and what is done: `+` and `-` are the file's, `!` is what it waits for.
    struct Case(&'static str, &'static str);
    let options = ["--birth-deps dep", "--config f=file"];
    let orders = ["+!", "!+", "+-!+", "+-+!", "!-+", "-!-+"];
    let cases: Vec<Case> = options
        .into_iter()
        .flat_map(|options| orders.map(|order| Case(options, order)))
        .collect();
    at_once(&cases, |Case(options, order)| {
        let app = App::start(options, SERVE);
        app.await_inactive();
        let (mut is_active, mut is_there) = (false, false);
        for step in order.chars() {
            match step {
                '+' => app.activate(),
                '-' => drop(fs::remove_file(app.world.path("a"))),
                _ if options.contains("dep") => drop(app.world.signal(["--ready", "dep"]).finish()),
                _ => app.configure("1"),
            }
            is_active = if step == '!' { is_active } else { step == '+' };
            is_there |= step == '!';
            if step == '!' && !options.contains("dep") {
                app.await_placed("1");
            }
            match (is_active, is_there) {
                (false, _) => app.await_inactive(),
                (true, false) => app.await_state(State::Waiting),
                (true, true) => app.await_state(State::Ready),
            }
            assert!(app.starts().is_empty() || is_active && is_there, "{order}");
        }
        app.await_starts(1);
        // Waited for once only.
        app.deactivate();
        app.await_inactive();
        if options.contains("dep") {
            dead(&app.world, "dep", "0");
        } else {
            app.remove("f");
        }
        app.activate();
        app.await_starts(2);
        app.await_state(State::Ready);
        assert_eq!(app.end(TERM).0.status, 143);
    });
}

#[test]
fn what_does_not_hold_any_more_when_it_is_activated_is_waited_for() {
    // It held at the first look, and was over before the next one: where inotify is, before anything is watched;
    // where the file has the only instance, at any time.
    for one in [false, true] {
        for pause in [0, 50] {
            let world = World::new();
            world.signal(["--ready", "dep"]).finish();
            let Some(run) = supervisor(&world, one) else {
                return;
            };
            let options = "-n x --active-while a --birth-deps dep";
            let app = App::of(world, run, options, SERVE);
            app.await_inactive();
            // None is wrong; the longer one is harder.
            std::thread::sleep(Duration::from_millis(pause));
            dead(&app.world, "dep", "0");
            app.activate();
            app.await_said("a exists", 1);
            app.await_state(State::Waiting);
            assert_eq!(app.end(TERM).0.status, 143);
        }
    }
}

/// `exitdir-run`, with one instance of inotify or with as many as it likes.
fn supervisor(world: &World, one: bool) -> Option<Command> {
    if !one {
        return Some(world.applet("run"));
    }
    let mut command = deprived(world, ONE_INSTANCE, &binary())?;
    command.arg("run");
    Some(command)
}

#[test]
fn the_birth_timeout_is_that_of_the_time_since_it_was_activated() {
    // None at all: it does not even begin while the file is missing.
    let app = App::start("--birth-deps dep --birth-timeout 0", SERVE);
    app.await_inactive();
    app.activate();
    let (ended, world) = app.ended();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert_eq!(world.key("x", "Reason").as_deref(), Some("birth-timeout"));
    // And it begins anew each time.
    let limit = Duration::from_millis(1500);
    let app = App::start("--birth-deps dep --birth-timeout 1500ms", SERVE);
    app.await_inactive();
    app.activate();
    app.await_state(State::Waiting);
    app.deactivate();
    app.await_inactive();
    let activated = Instant::now();
    app.activate();
    let (ended, _world) = app.ended();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert!(activated.elapsed() >= limit, "{:?}", activated.elapsed());
    let gave_up = "exitdir-run: gave up after 1.500s: dep:ready does not hold (there is no dep)\n";
    assert!(ended.stderr.ends_with(gave_up), "{}", ended.stderr);
}

#[test]
fn the_timeout_counts_from_each_start() {
    let limit = Duration::from_millis(1500);
    let app = App::active("--timeout 1500ms", SERVE);
    app.deactivate();
    app.await_inactive();
    let activated = Instant::now();
    app.activate();
    let (ended, world) = app.ended();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert!(activated.elapsed() >= limit, "{:?}", activated.elapsed());
    assert_eq!(world.key("x", "Reason").as_deref(), Some("timeout"));
}

// ---------------------------------------------------------------- at which moments

#[test]
fn a_file_that_comes_back_during_the_stop_starts_the_command_at_once_and_the_last_word_counts() {
    for is_active in [true, false] {
        let app = App::active("", SLOW);
        app.await_state(State::Ready);
        app.deactivate();
        app.await_word("TERM");
        for round in 1..=2 {
            app.activate();
            app.await_said("a exists: starting sh", round);
            if is_active && round == 2 {
                break;
            }
            app.deactivate();
            app.await_said("a does not exist: sh stays down", round);
        }
        assert_eq!(app.starts().len(), 1, "one at a time");
        app.touch("go");
        if is_active {
            app.await_starts(2);
            app.await_state(State::Ready);
            assert_eq!(app.world.key("x", "Inactive"), None);
        } else {
            app.await_inactive();
            assert_eq!(app.starts().len(), 1);
        }
        // Told once.
        assert_eq!(lines(&app.world.path("said"))[..2], ["TERM", "bye"]);
    }
}

#[test]
fn a_command_that_removes_the_file_itself_is_stopped_however_early_that_is() {
    let app = App::active("", "echo $$ >>starts; rm a; exec sleep 60");
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_inactive();
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn a_file_that_goes_in_the_back_off_ends_it_and_the_command_is_started_once_when_it_is_back() {
    let world = World::new();
    fs::write(world.path("failures"), "1\n").unwrap();
    fs::write(world.path("a"), "").unwrap();
    let app = App::begin(world, "--restart always", FAIL);
    app.await_said("sh exited with 3: restarting it in 1s", 1);
    app.deactivate();
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    let expected = [
        "sh exited with 3: restarting it in 1s",
        "a does not exist: sh stays down",
        "a exists: starting sh",
    ];
    assert_eq!(app.stderr(), expected);
    assert_eq!(app.starts().len(), 2);
}

#[test]
fn a_file_that_goes_while_descendants_are_stopped_leaves_the_life_inactive_when_they_are_gone() {
    // It leaves somebody behind who does not stop before he may.
    const LEAVE: &str = "trap '' TERM; sh -c 'until test -e go; do sleep 0.01; done' & \
                         trap 'exit 0' TERM; echo $$ >>starts; until test -e end; do sleep 0.01; done; exit 3";
    for restarts in [true, false] {
        let app = App::active(
            "-v -s --wait-descendants --grace-period off --restart always",
            LEAVE,
        );
        if restarts {
            // It ends by itself, and would be started again.
            app.touch("end");
        } else {
            app.deactivate();
        }
        app.await_said("stopping what sh left behind with TERM", 1);
        assert_ne!(app.state(), Some(State::Inactive), "somebody is left");
        if restarts {
            app.deactivate();
        }
        app.await_look();
        app.touch("go");
        app.await_inactive();
        let said = app.read("stderr");
        assert!(!said.contains("restarting it in"), "{said}");
        let _ = fs::remove_file(app.world.path("end"));
        app.activate();
        app.await_starts(2);
        app.await_state(State::Ready);
    }
}

#[test]
fn a_file_that_goes_during_the_stop_delay_ends_the_delay_and_the_life_ends_as_it_was_told_to() {
    let app = App::active("--stop-delay 1h", SERVE);
    app.await_state(State::Ready);
    app.running.kill(TERM);
    app.await_said("told to stop: passing TERM on to sh in 3600s", 1);
    app.deactivate();
    let (ended, world) = app.ended();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(world.key("x", "Inactive"), None);
    let stopped = "exitdir-run: a does not exist: stopping sh with TERM\n";
    assert!(ended.stderr.ends_with(stopped), "{}", ended.stderr);
}

#[test]
fn a_command_that_does_not_stop_is_killed_after_the_grace_period_and_the_life_goes_on() {
    let deaf = "trap '' TERM; echo $$ >>starts; while test -e starts; do sleep 0.01; done";
    let app = App::active("--grace-period 50ms", deaf);
    app.deactivate();
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    let expected = [
        "a does not exist: stopping sh with TERM",
        "sh did not stop within 50ms: killing it",
        "a exists: starting sh",
    ];
    assert_eq!(app.stderr(), expected);
}

#[test]
fn a_file_that_comes_and_goes_as_fast_as_it_can_leaves_what_there_is_at_the_end() {
    // It takes its time to stop, and says so if the one before is still there.
    const ALONE: &str = "trap 'sleep 0.02; exit 0' TERM; \
                         if read -r before <last && grep -q \"(sh) [RSD] $PPID \" /proc/$before/stat; then echo two >>said; fi 2>>errors; \
                         echo $$ >last; echo $$ >>starts; while test -e starts; do sleep 0.01; done";
    let app = App::start("", ALONE);
    let life = app.world.await_key("x", "Waiting");
    for flap in 0..400 {
        app.activate();
        if flap % 40 == 0 {
            app.await_state(State::Ready);
        }
        app.deactivate();
        if flap % 40 == 20 {
            app.await_inactive();
        }
    }
    app.await_inactive();
    app.activate();
    app.await_state(State::Ready);
    let runs = || app.starts().iter().filter(|pid| !is_gone(pid)).count();
    eventually("one runs", || (runs() == 1).then_some(()));
    assert_eq!(app.read("said"), "", "two at a time");
    assert_eq!(app.world.key("x", "Waiting").unwrap(), life);
    let (ended, world) = app.end(TERM);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(world.key("x", "Waiting").unwrap(), life);
    assert_eq!(world.entries(), ["x"]);
}

// ---------------------------------------------------------------- readiness

#[test]
fn readiness_is_taken_back_with_the_command_and_has_to_be_said_again() {
    let speaks =
        "echo $$ >>starts; until test -e speak; do sleep 0.01; done; echo >&3; exec sleep 60";
    at_once(
        &[("fd", speaks), ("file:speak", SERVE), ("signal", SERVE)],
        |(source, script)| {
            let app = App::start(&format!("--ready-on {source}"), script);
            for round in 1..=2 {
                app.await_inactive();
                app.activate();
                app.await_starts(round);
                app.await_state(State::Born);
                if *source == "signal" {
                    assert_eq!(app.world.signal(["--ready", "x"]).finish().status, 0);
                } else {
                    app.touch("speak");
                }
                app.await_state(State::Ready);
                let _ = fs::remove_file(app.world.path("speak"));
                app.deactivate();
            }
            app.await_inactive();
            assert_eq!(keys(&app.world, "x"), "Waiting Lock Born Inactive");
        },
    );
}

// ---------------------------------------------------------------- configuration

#[test]
fn a_configuration_that_comes_while_the_life_is_inactive_is_what_the_command_is_started_with() {
    at_once(&["restart", "HUP"], |action| {
        let script = format!("cat file >>seen; {SLOW}");
        let app = App::active_with_configuration(action, "", &script);
        app.touch("go");
        app.deactivate();
        app.await_inactive();
        for text in ["2\n", "3\n"] {
            app.configure(text);
            app.await_placed(text);
        }
        assert_eq!(app.state(), Some(State::Inactive));
        app.activate();
        app.await_starts(2);
        app.await_state(State::Ready);
        assert_eq!(lines(&app.world.path("seen")), ["1", "3"]);
        assert_eq!(lines(&app.world.path("said")), ["TERM", "bye"]);
        let said = app.read("stderr");
        assert!(!said.contains("a new configuration"), "{said}");
    });
}

#[test]
fn a_configuration_that_comes_in_the_back_off_is_what_the_command_is_restarted_with() {
    at_once(&["restart", "HUP"], |action| {
        let script = format!("cat file >>seen; {FAIL}");
        let world = World::new();
        fs::write(world.path("failures"), "1\n2\n").unwrap();
        let app = App::with_configuration(world, action, "--restart always", &script);
        // The second one is long enough for a change on any machine.
        app.await_said("restarting it in 2s", 1);
        app.configure("2\n");
        app.await_placed("2\n");
        app.await_starts(3);
        app.await_state(State::Ready);
        assert_eq!(lines(&app.world.path("seen")), ["1", "1", "2"]);
        let said = app.read("stderr");
        assert!(!said.contains("a new configuration"), "{said}");
        assert_eq!(app.starts().len(), 3);
    });
}

#[test]
fn a_command_that_is_stopping_is_not_told_of_a_configuration() {
    let app = App::active_with_configuration("HUP", "", SLOW);
    app.deactivate();
    app.await_word("TERM");
    app.configure("2\n");
    app.await_placed("2\n");
    app.touch("go");
    app.await_inactive();
    assert_eq!(lines(&app.world.path("said")), ["TERM", "bye"]);
    let said = app.read("stderr");
    assert!(!said.contains("a new configuration"), "{said}");
}

#[test]
fn a_file_that_goes_while_the_command_is_restarted_leaves_the_life_inactive() {
    let app = App::active_with_configuration("restart", "", &format!("cat file >>seen; {SLOW}"));
    app.configure("2\n");
    app.await_word("TERM");
    app.deactivate();
    app.await_said("a does not exist: sh stays down", 1);
    app.configure("3\n");
    app.await_placed("3\n");
    app.touch("go");
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    assert_eq!(lines(&app.world.path("seen")), ["1", "3"]);
}

#[test]
fn a_stop_from_outside_while_the_command_is_stopped_for_a_while_is_for_good() {
    let cases = [(true, TERM), (true, INT), (true, QUIT), (false, TERM)];
    at_once(&cases, |(is_for_configuration, signal)| {
        // Only the first TERM is heard.
        let script = format!("trap '' INT QUIT; {SLOW}");
        let app = App::active_with_configuration("restart", "-v", &script);
        if *is_for_configuration {
            app.configure("2\n");
        } else {
            app.deactivate();
        }
        app.await_word("TERM");
        app.running.kill(*signal);
        app.await_said("passed ", 1);
        app.touch("go");
        let (ended, world) = app.ended();
        assert_eq!(ended.status, 5, "{}", ended.stderr);
        assert_eq!(lines(&world.path("starts")).len(), 1);
        assert_eq!(world.key("x", "Reason").as_deref(), Some("exited"));
        assert_eq!(world.key("x", "Inactive"), None);
    });
}

impl App {
    fn with_configuration(world: World, action: &str, options: &str, script: &str) -> App {
        fs::write(world.path("a"), "").unwrap();
        fs::write(world.path("f"), "1\n").unwrap();
        let options = format!("--config f=file --on-config {action} {options}");
        App::begin(world, &options, script)
    }

    fn active_with_configuration(action: &str, options: &str, script: &str) -> App {
        let app = App::with_configuration(World::new(), action, options, script);
        app.await_starts(1);
        app.await_state(State::Ready);
        app
    }
}
