//! Random walks of a managed application: configurations, archives and the activation file appear,
//! change and disappear in any order and at any moment, and its command is killed. A model predicts
//! the result.
//!
//! `EXITDIR_TEST_SEED` repeats a run; a round that fails prints it, with its state. The walk waits
//! for what the model predicts; other pauses only vary the moments.

use crate::support::inspect::sleeps;
use crate::support::parallel::{SetOnDrop, failed_rounds};
use crate::support::proc::{ProcStat, await_gone, is_gone};
use crate::support::random::{Random, seed};
use crate::support::requirements::is_long_run;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use exitdir::{ExitDir, Name, State};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EVENTS: usize = 40;
/// How many rounds run at the same time.
const BATCH: u64 = 25;
/// Each kill costs a back-off, which doubles.
const MAX_KILLS: u32 = 2;
/// Changes within this time follow each other within the quiet time, with a margin.
const BURST_LENGTH: Duration = Duration::from_millis(90);

#[test]
fn in_random_walks_the_command_runs_when_predicted_with_the_newest_configuration() {
    let rounds = if is_long_run() { 2_000 } else { BATCH };
    let seed = seed();
    for first in (0..rounds).step_by(BATCH as usize) {
        let numbers = first..(first + BATCH).min(rounds);
        let presence = PresenceWatch::default();
        let failed = std::thread::scope(|scope| {
            let _over = SetOnDrop(&presence.is_over);
            scope.spawn(|| presence.run_until_over());
            failed_rounds(numbers, |number| Walk::new(seed, number, &presence).play())
        });
        let missed = presence.missed.into_inner().unwrap();
        assert!(
            missed.is_empty(),
            "not there for a moment: {missed:?}; EXITDIR_TEST_SEED={seed} repeats it"
        );
        assert!(
            failed.is_empty(),
            "rounds {failed:?} failed; EXITDIR_TEST_SEED={seed} repeats them"
        );
    }
}

// ---------------------------------------------------------------- the guard

/// Checks all the time the trees that must exist from now on. A supervisor that removes one before
/// it installs the next leaves a gap that is too short for the walks to see.
#[derive(Default)]
struct PresenceWatch {
    trees: Mutex<BTreeSet<PathBuf>>,
    missed: Mutex<BTreeSet<PathBuf>>,
    is_over: AtomicBool,
}

impl PresenceWatch {
    fn run_until_over(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            for tree in self.trees.lock().unwrap().iter() {
                if tree.symlink_metadata().is_err() {
                    self.missed.lock().unwrap().insert(tree.clone());
                }
            }
            // The walks need the processor too.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

// ---------------------------------------------------------------- the command

/// It logs its start, its stop and each reload, with the versions that it has read. The subshell
/// keeps a signal from interrupting a read. Its working directory is one tree, even if another one
/// is installed meanwhile; if that tree is being removed, it reads the next one.
const COMMAND: &str = r#"
    trap 'see reload' HUP
    # One that was sent before is forgotten; one that comes now should not.
    trap 'trap "" HUP; trap "note late" HUP; note stop; kill $! 2>/dev/null; sleep $TAKES; exit 143' TERM
    note() { echo "$1 $$ $2" >>"$LOG"; }
    see() (
        read -r file <"$FILE"
        while :; do
            cd -P "$TREE" || { note torn; exit; }
            read -r a <a && read -r b <z/b && break
        done 2>/dev/null
        note "$1" "$file $a $b"
    )
    if read -r before <last; then
        read -r pid name state parent rest <"/proc/$before/stat" && [ "$parent" = "$PPID" ] && note twice "$before"
    fi 2>/dev/null
    echo $$ >last
    see start
    exec 3<&0
    read -r line <&3 &
    while wait $!; [ $? -gt 128 ]; do :; done
"#;

/// Rejects a file, or a tree with a file, that contains BAD.
const CHECK: &str = "#!/bin/sh\n! grep -rq BAD \"$1\"\n";

// ---------------------------------------------------------------- the model

type Version = u32;

/// What is at a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModelContent {
    Missing,
    Good(Version),
    /// It is rejected.
    Bad,
}

/// A source, and the versions that can be installed from it. There is more than one only if the
/// newest good one may have been replaced before it was applied.
struct ModelSource {
    name: &'static str,
    content: ModelContent,
    possible: Vec<Version>,
    is_settled: bool,
    /// One of them was seen.
    is_certain: bool,
}

impl ModelSource {
    fn new(name: &'static str) -> ModelSource {
        ModelSource {
            name,
            content: ModelContent::Missing,
            possible: Vec::new(),
            is_settled: true,
            is_certain: false,
        }
    }

    fn offer(&mut self, version: Version) {
        self.possible.push(version);
        self.content = ModelContent::Good(version);
        self.is_settled = false;
    }

    /// Whether this can be installed when the application is at rest.
    fn allows(&self, placed: Option<Version>) -> bool {
        match (self.content, placed) {
            (ModelContent::Good(newest), placed) => placed == Some(newest),
            (_, Some(version)) => self.possible.contains(&version),
            (_, None) => self.possible.is_empty(),
        }
    }

    fn settle(&mut self) {
        if let ModelContent::Good(version) = self.content {
            self.possible = vec![version];
            self.is_certain = true;
        }
        self.is_settled = true;
    }
}

#[derive(Clone, Copy, Debug)]
enum WalkEvent {
    Activate,
    Deactivate,
    NewFile,
    NewTar,
    Bad,
    Delete,
    Kill,
    Burst,
    Settle,
}

const ALPHABET: [WalkEvent; 15] = [
    WalkEvent::Activate,
    WalkEvent::Activate,
    WalkEvent::Activate,
    WalkEvent::Deactivate,
    WalkEvent::Deactivate,
    WalkEvent::NewFile,
    WalkEvent::NewFile,
    WalkEvent::NewTar,
    WalkEvent::NewTar,
    WalkEvent::Bad,
    WalkEvent::Bad,
    WalkEvent::Delete,
    WalkEvent::Kill,
    WalkEvent::Burst,
    WalkEvent::Settle,
];

struct Walk<'g> {
    presence: &'g PresenceWatch,
    label: String,
    random: Random,
    trace: Vec<String>,
    checks: bool,
    version: Version,
    kills: u32,
    active: bool,
    file: ModelSource,
    tar: ModelSource,
    /// How long the command's log was when it was seen to be inactive.
    frozen: Option<usize>,
    life: Option<String>,
    run: Option<Running>,
    /// What the command's helper reads; it closes with the round.
    _stdin: PipeWriter,
    sandbox: Sandbox,
}

impl<'g> Walk<'g> {
    fn new(seed: u64, number: u64, presence: &'g PresenceWatch) -> Walk<'g> {
        let mut random = Random::new(&format!("seed {seed}, round {number}"));
        let sandbox = Sandbox::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let checks = random.flip();
        let takes = random.pick(&["0", "0.05", "0.2"]);
        let restart = random.pick(&["always", "on-failure"]);
        // Half of the rounds each, whatever the seed.
        let action = if number.is_multiple_of(2) {
            "restart"
        } else {
            "HUP"
        };
        let is_directory = random.flip();
        if is_directory {
            std::fs::create_dir(sandbox.path("tree")).unwrap();
        }
        sandbox.program("check", CHECK);
        let mut run = sandbox.run(["-n", "x", "-v", "--restart", restart, "--on-config", action]);
        run.args([
            "--config",
            "f=file",
            "--config-tar",
            "t=tree",
            "--active-while",
            "a",
        ]);
        if checks {
            run.args(["--config-check", "./check"]);
        }
        run.args(["--", "sh", "-c", COMMAND])
            .current_dir(sandbox.path("."))
            .env("TAKES", takes)
            .env("LOG", sandbox.path("log"))
            .env("FILE", sandbox.path("file"))
            .env("TREE", sandbox.path("tree"))
            .stdin(reader)
            // The helper of a command that was killed would keep a pipe open.
            .stdout(std::process::Stdio::null())
            .stderr(File::create(sandbox.path("stderr")).unwrap());
        let mut walk = Walk {
            presence,
            label: format!(
                "seed {seed}, round {number}: --on-config {action}, --restart {restart}, check {checks}, tree is a directory {is_directory}, a stop takes {takes}"
            ),
            random,
            trace: Vec::new(),
            checks,
            version: 0,
            kills: MAX_KILLS,
            active: false,
            file: ModelSource::new("f"),
            tar: ModelSource::new("t"),
            frozen: None,
            life: None,
            run: None,
            _stdin: writer,
            sandbox,
        };
        // Some files may exist from the start.
        for event in [WalkEvent::Activate, WalkEvent::NewFile, WalkEvent::NewTar] {
            if walk.random.flip() {
                walk.apply(event);
            }
        }
        walk.run = Some(run.start());
        walk
    }

    fn play(mut self) {
        for _ in 0..EVENTS {
            let event = self.random.pick(&ALPHABET);
            self.apply(event);
            let pause = self.random.pick(&[0, 0, 0, 5, 30, 105, 130]);
            std::thread::sleep(Duration::from_millis(pause));
        }
        self.settle();
        self.end();
    }

    fn apply(&mut self, event: WalkEvent) {
        self.trace.push(format!("{event:?}"));
        match event {
            WalkEvent::Activate => self.activate(),
            WalkEvent::Deactivate => self.deactivate(),
            WalkEvent::NewFile => self.new_file(),
            WalkEvent::NewTar => self.new_tar(),
            WalkEvent::Bad => self.bad(),
            WalkEvent::Delete => self.delete(),
            WalkEvent::Kill => self.kill(),
            WalkEvent::Burst => self.burst(),
            WalkEvent::Settle => self.settle(),
        }
    }

    fn file(&mut self) -> &mut ModelSource {
        &mut self.file
    }

    fn tar(&mut self) -> &mut ModelSource {
        &mut self.tar
    }

    // ------------------------------------------------------------ events

    fn activate(&mut self) {
        self.assert_frozen();
        self.frozen = None;
        self.active = true;
        self.sandbox.touch("a");
    }

    fn deactivate(&mut self) {
        self.active = false;
        let _ = std::fs::remove_file(self.sandbox.path("a"));
    }

    fn new_file(&mut self) {
        let version = self.next();
        let by_rename = self.random.flip();
        self.put("f", format!("{version}\n").as_bytes(), by_rename);
        self.file.offer(version);
    }

    fn new_tar(&mut self) {
        let version = self.next();
        let by_rename = self.random.flip();
        self.put("t", &tree(&version.to_string()), by_rename);
        self.tar.offer(version);
    }

    fn next(&mut self) -> Version {
        self.version += 1;
        self.version
    }

    fn put(&self, name: &str, bytes: &[u8], by_rename: bool) {
        let place = self.sandbox.path(name);
        if by_rename {
            let new = self.sandbox.path("new");
            std::fs::write(&new, bytes).unwrap();
            std::fs::rename(&new, &place).unwrap();
        } else {
            std::fs::write(&place, bytes).unwrap();
        }
    }

    /// Content that is rejected: by the check, or because it is no archive that can be unpacked.
    fn bad(&mut self) {
        let version = self.next();
        let kind = self.random.below(if self.checks { 5 } else { 3 });
        let said = format!("BAD {version}");
        let whole = tree(&said);
        let bytes = match kind {
            0 => whole[..whole.len() / 2 - 200].to_vec(),
            1 => archive(&[("../outside", &said)]),
            2 => archive(&[("a", &said), ("/outside", &said)]),
            3 => whole,
            _ => {
                self.make_clear(Walk::file);
                self.put("f", said.as_bytes(), true);
                self.file.content = ModelContent::Bad;
                return;
            }
        };
        self.make_clear(Walk::tar);
        self.put("t", &bytes, true);
        self.tar.content = ModelContent::Bad;
    }

    fn delete(&mut self) {
        let source = if self.random.flip() {
            Walk::file
        } else {
            Walk::tar
        };
        self.make_clear(source);
        let source = source(self);
        source.content = ModelContent::Missing;
        let name = source.name;
        let path = self.sandbox.path(name);
        let _ = std::fs::remove_file(path);
    }

    /// Called before a good version is replaced by a bad one. Mostly it is unknown then whether the
    /// good one was applied; for the first version the prediction would depend on that.
    fn make_clear(&mut self, source: fn(&mut Self) -> &mut ModelSource) {
        let source = source(self);
        let is_first = !source.is_certain && !source.possible.is_empty();
        if is_first || source.possible.len() > 1 && self.random.flip() {
            self.settle();
        }
    }

    fn kill(&mut self) {
        if self.kills == 0 {
            return;
        }
        self.settle();
        if self.predicted() == State::Ready {
            self.kills -= 1;
            let seen = self.last_seen().expect("it runs").pid;
            let pid = Pid::from_raw(seen.parse().unwrap()).unwrap();
            // Not another process that has got its number since.
            if let Ok(fd) = pidfd_open(pid, PidfdFlags::empty())
                && self.is_command(pid.as_raw_nonzero().get())
            {
                let _ = pidfd_send_signal(fd, Signal::KILL);
                // Until then it looks like a command that runs as predicted.
                await_gone(&seen);
            }
        }
    }

    /// Many changes within the quiet time count as one.
    fn burst(&mut self) {
        self.settle();
        let good = |source: &ModelSource| matches!(source.content, ModelContent::Good(_));
        // A rejected or removed source may not be at rest.
        let counts = good(&self.file) && good(&self.tar) && self.predicted() == State::Ready;
        let before = self.looks();
        let began = Instant::now();
        for change in 0..6 {
            let version = self.next();
            if change % 2 == 0 {
                self.put("f", format!("{version}\n").as_bytes(), true);
                self.file.offer(version);
            } else {
                self.put("t", &tree(&version.to_string()), true);
                self.tar.offer(version);
            }
            std::thread::sleep(Duration::from_millis(11));
        }
        let counts = counts && began.elapsed() < BURST_LENGTH;
        self.settle();
        let after = self.looks();
        // One more is allowed, for an earlier change that was applied before its signal was sent.
        assert!(
            !counts || after - before <= 2,
            "{before} looks, then {after}"
        );
    }

    // ------------------------------------------------------------ what must be

    fn predicted(&self) -> State {
        let is_complete = !self.file.possible.is_empty() && !self.tar.possible.is_empty();
        match (is_complete, self.active) {
            (_, false) => State::Inactive,
            (false, true) => State::Waiting,
            (true, true) => State::Ready,
        }
    }

    /// Waits until everything is as predicted.
    fn settle(&mut self) {
        if self.run.is_none() {
            return;
        }
        let predicted = self.predicted();
        let what = format!(
            "{}: {predicted:?}, {:?} of {:?}, {:?} of {:?}",
            self.label, self.file.content, self.file.possible, self.tar.content, self.tar.possible
        );
        wait_until(&what, || self.is_at_rest(predicted));
        self.file.settle();
        self.tar.settle();
        if self.tar.is_certain {
            let tree = self.sandbox.path("tree");
            self.presence.trees.lock().unwrap().insert(tree);
        }
        self.assert_sound();
        let life = self.sandbox.key("x", "Waiting");
        assert!(self.life.is_none() || self.life == life, "one life");
        self.life = life;
        if predicted == State::Inactive {
            self.assert_frozen();
            self.frozen = Some(self.sandbox.lines("log").len());
        }
        self.trace.push("settled".to_owned());
    }

    fn is_at_rest(&self, predicted: State) -> bool {
        // A supervisor that has read an event and not acted on it is not asleep.
        if !self.run.as_ref().is_some_and(|run| sleeps(run.pid())) {
            return false;
        }
        let [file, tree] = [self.placed_file(), self.placed_tree()];
        if !self.file.allows(file) || !self.tar.allows(tree) {
            return false;
        }
        let name = Name::new("x").unwrap();
        let life = ExitDir::new(self.sandbox.dir()).life(&name).ok().flatten();
        if life.and_then(|life| life.state()) != Some(predicted) {
            return false;
        }
        match (predicted, self.last_seen()) {
            (State::Ready, None) => false,
            (State::Ready, Some(seen)) => {
                !is_gone(&seen.pid) && Some(seen.file) == file && Some(seen.tree) == tree
            }
            (_, Some(seen)) => is_gone(&seen.pid),
            (_, None) => true,
        }
    }

    /// What must hold at any moment.
    fn assert_sound(&self) {
        for line in self.sandbox.lines("log") {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["start" | "reload", _, _, a, b] => assert_eq!(a, b, "a mixture: {line}"),
                ["stop", _] => {}
                _ => panic!("{line}"),
            }
            assert!(!line.contains("BAD"), "{line}");
        }
    }

    /// Checks that an inactive application does nothing.
    fn assert_frozen(&self) {
        if let Some(count) = self.frozen {
            assert_eq!(self.sandbox.lines("log").len(), count, "inactive");
        }
    }

    fn placed_file(&self) -> Option<Version> {
        let text = std::fs::read_to_string(self.sandbox.path("file")).ok()?;
        text.trim().parse().ok()
    }

    /// The version of the tree, which may be replaced meanwhile. Its files are never of two
    /// versions, and there is always a tree.
    fn placed_tree(&self) -> Option<Version> {
        let dir = File::open(self.sandbox.path("tree"));
        let dir = match dir {
            Ok(dir) => dir,
            Err(error) => {
                assert!(
                    self.life.is_none() || self.tar.possible.len() != 1 || !self.tar.is_settled,
                    "no tree: {error}"
                );
                return None;
            }
        };
        let inside = PathBuf::from(format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&dir)
        ));
        let read = |path: &Path| std::fs::read_to_string(inside.join(path)).ok();
        let [a, b] = ["a", "z/b"].map(|name| read(Path::new(name)));
        let (a, b) = (a?, b?);
        assert_eq!(a, b, "a mixture");
        a.trim().parse().ok()
    }

    // ------------------------------------------------------------ what was seen

    fn looks(&self) -> usize {
        self.sandbox
            .lines("log")
            .iter()
            .filter(|line| line.starts_with("start") || line.starts_with("reload"))
            .count()
    }

    fn last_seen(&self) -> Option<LastStart> {
        let log = self.sandbox.lines("log");
        let line = log.last()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0)
        };
        Some(LastStart {
            pid: (*words.get(1)?).to_owned(),
            file: number(2),
            tree: number(3),
        })
    }

    fn is_command(&self, pid: i32) -> bool {
        ProcStat::of(pid).map(|process| process.parent) == self.run.as_ref().map(Running::pid)
    }

    fn end(mut self) {
        let run = self.run.take().unwrap();
        let predicted = self.predicted();
        run.send(TERM);
        let ended = run.end();
        assert_eq!(ended.status, 143, "{}", self.label);
        self.assert_sound();
        if let Some(seen) = self.last_seen() {
            assert!(is_gone(&seen.pid), "it was left running");
        }
        if predicted == State::Ready {
            let log = self.sandbox.lines("log");
            assert!(log.last().unwrap().starts_with("stop"), "{log:?}");
        }
        let text = self.sandbox.tombstone("x");
        for key in ["\nDied: ", "\nExitCode: 143\n", "\nReason: "] {
            assert_eq!(text.matches(key).count(), 1, "{text}");
        }
        assert_eq!(self.sandbox.key("x", "Waiting"), self.life);
        assert_eq!(self.sandbox.entries(), ["x"]);
    }
}

/// The last line of the command's log.
struct LastStart {
    pid: String,
    file: Version,
    tree: Version,
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        let tree = self.sandbox.path("tree");
        self.presence.trees.lock().unwrap().remove(&tree);
        if std::thread::panicking() {
            let read = |name| self.sandbox.read(name);
            eprintln!(
                "{}\n{}\n--- log\n{}--- stderr\n{}--- tombstone\n{}",
                self.label,
                self.trace.join(" "),
                read("log"),
                read("stderr"),
                self.sandbox.tombstone("x"),
            );
        }
    }
}

// ---------------------------------------------------------------- archives

/// Two files of one version, far apart.
fn tree(version: &str) -> Vec<u8> {
    let middle: Vec<String> = (0..8).map(|number| format!("m{number}")).collect();
    let mut files = vec![("a", version)];
    files.extend(middle.iter().map(|name| (name.as_str(), version)));
    files.push(("z/b", version));
    archive(&files)
}

/// A tar archive (POSIX ustar) of files with one line each.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, line) in files {
        let content = format!("{line}\n");
        let mut header = [0; 512];
        let mut set = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        set(0, name);
        set(100, "0000644\0");
        set(108, "0000000\0");
        set(116, "0000000\0");
        set(124, &format!("{:011o}\0", content.len()));
        set(136, "00000000000\0");
        // The sum is made with blanks in its own place.
        set(148, "        ");
        set(156, "0");
        set(257, "ustar\x0000");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(content.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}
