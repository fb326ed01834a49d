//! How soon a waiter exits after a death: from the rename of the tombstone until the parent sees
//! the exit of `exitdir-wait`, beside `inotifywait` on the same directory. In the report, how soon
//! `exitdir-run` has ended its command and exits, too.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch, peer, quiet};
use crate::comparison::Comparison;
use crate::followers::{Death, Follower, NAME};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const OURS: &str = "exitdir-wait";
const PEER: &str = "inotifywait";

/// The status in the tombstone of the death, so that a condition can mean this death alone.
pub(crate) const CODE: &str = "77";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let tombstone = dead_tombstone(bench)?;
    let mut rows = Vec::new();
    for parent in parents() {
        rows.extend(measure_on(bench, &parent, &tombstone)?);
    }
    Ok(rows)
}

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let tombstone = dead_tombstone(bench)?;
    let figures = [
        (Follower::Waiter, "reaction: a death to the exit of wait"),
        (Follower::Supervisor, "reaction: a death to the exit of run"),
    ];
    let measured = |(follower, figure): (Follower, &str)| {
        let place = Scratch::new(Path::new(IN_MEMORY))?;
        let scene = Scene::set_up(&place, &tombstone)?;
        let mut contestants = follower.contestants(bench, Death::Renamed, &scene.dir);
        in_turns(&mut contestants, bench.rounds, |command| {
            scene.rename_to_end(1, |_| follower.start(command))
        })?;
        let (ours, peers) = (follower.ours(), [follower.peer()]);
        Ok(Comparison::times(figure, &contestants, ours, &peers))
    };
    figures.into_iter().map(measured).collect()
}

/// One directory on each file system.
fn parents() -> Vec<PathBuf> {
    let mut parents = vec![PathBuf::from(IN_MEMORY), std::env::temp_dir()];
    parents.dedup_by_key(|path| std::fs::metadata(path).ok().map(|found| found.dev()));
    parents.retain(|path| path.is_dir());
    parents
}

/// The text of a tombstone after a real death.
pub(crate) fn dead_tombstone(bench: &Bench) -> Outcome<String> {
    let dir = bench.scratch.path("model");
    let mut command = bench.applet("exitdir-signal");
    command.args(["--code", CODE, "--dir"]).arg(&dir).arg(NAME);
    Process::start(&mut command)?.succeed()?;
    std::fs::read_to_string(dir.join(NAME))
        .map_err(|error| format!("cannot read the model of a tombstone: {error}"))
}

fn measure_on(bench: &Bench, parent: &Path, tombstone: &str) -> Outcome<Vec<Row>> {
    let scratch = Scratch::new(parent)?;
    let scene = Scene::set_up(&scratch, tombstone)?;
    let mut ours = bench.applet(OURS);
    ours.arg("--dir").arg(&scene.dir).arg(NAME);
    let mut contestants = vec![Contestant::new(OURS, ours)];
    if let Some(program) = peer(PEER) {
        let mut theirs = quiet(program);
        theirs.args(["-q", "-e", "moved_to"]).arg(&scene.dir);
        contestants.push(Contestant::new(PEER, theirs));
    }
    in_turns(&mut contestants, bench.rounds, |command| {
        scene.rename_to_exit(command)
    })?;
    let row = |place: Place, goal| {
        let figure = format!("reaction: {}, {}", parent.display(), place.name());
        Row::times(figure, &contestants, place, (OURS, PEER), goal)
    };
    Ok(vec![
        row(Place::Median, Goal::Ratio(1.0)),
        row(Place::P99, Goal::Ratio(0.1)),
    ])
}

/// The exit directory, and the file that is renamed into it.
pub(crate) struct Scene<'a> {
    pub(crate) dir: PathBuf,
    hidden: PathBuf,
    text: &'a str,
}

impl<'a> Scene<'a> {
    pub(crate) fn set_up(scratch: &Scratch, text: &'a str) -> Outcome<Scene<'a>> {
        let dir = scratch.path("graveyard");
        std::fs::create_dir(&dir).map_err(|error| format!("cannot create: {error}"))?;
        let hidden = scratch.path("hidden");
        Ok(Scene { dir, hidden, text })
    }

    fn rename_to_exit(&self, command: &mut Command) -> Outcome<Duration> {
        // The watch first: a process that sleeps and has a watch sleeps until an event comes.
        let waits = |process: &Process| process.watches() && process.sleeps();
        self.rename_to_end(1, |_| Process::start_waiting(command, waits))
    }

    /// The time from the rename until so many processes have ended that waited for it.
    pub(crate) fn rename_to_end(
        &self,
        count: usize,
        start: impl FnMut(usize) -> Outcome<Process>,
    ) -> Outcome<Duration> {
        let grave = self.dir.join(NAME);
        std::fs::write(&self.hidden, self.text)
            .map_err(|error| format!("cannot prepare a tombstone: {error}"))?;
        let waiting: Outcome<Vec<Process>> = (0..count).map(start).collect();
        let mut waiting = waiting?;
        let began = Instant::now();
        std::fs::rename(&self.hidden, &grave).map_err(|error| format!("cannot rename: {error}"))?;
        for process in &mut waiting {
            process.end()?;
        }
        let took = began.elapsed();
        std::fs::remove_file(&grave).map_err(|error| format!("cannot remove: {error}"))?;
        Ok(took)
    }
}
