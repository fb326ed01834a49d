//! What a large directory and many waiters cost: the time from a death until the waiters have
//! exited, among other tombstones, and with others that wait for the same death.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch};
use crate::comparison::Comparison;
use crate::followers::{Death, Follower};
use crate::reaction::{CODE, Scene, dead_tombstone};
use crate::samples::{Contestant, in_turns_after};
use std::path::Path;

const TOMBSTONES: [usize; 4] = [10, 100, 1_000, 10_000];
const WAITERS: [usize; 4] = [1, 10, 100, 1_000];
/// `exitdir-wait` for any tombstone with the status of the death, so all tombstones are read.
const ANY: &str = "exitdir-wait for any";
/// A condition without a NAME looks at no more tombstones than exitdir's limit for them.
const MOST_FOR_ANY: usize = 1_000;
/// In all, however many waiters a round has.
const MOST_STARTS: usize = 3_000;

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let text = dead_tombstone(bench)?;
    let mut compared = Vec::new();
    for count in TOMBSTONES {
        compared.extend(among_tombstones(bench, &text, count)?);
    }
    let limit = Instances::at_least(WAITERS.iter().sum())?;
    for count in WAITERS {
        if count == 1 || count * Instances::FOR_EACH <= limit.now {
            compared.push(with_waiters(bench, &text, count)?);
        } else {
            let Instances { now, .. } = limit;
            eprintln!(
                "bench: left out: {count} waiters, because a user may have {now} instances of inotify"
            );
        }
    }
    Ok(compared)
}

fn among_tombstones(bench: &Bench, text: &str, count: usize) -> Outcome<Vec<Comparison>> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let scene = Scene::set_up(&place, text)?;
    let other = text.replace(CODE, "0");
    for number in 0..count {
        std::fs::write(scene.dir.join(format!("other{number}")), &other)
            .map_err(|error| format!("cannot write a tombstone: {error}"))?;
    }
    let waiter = Follower::Waiter;
    let mut contestants = waiter.contestants(bench, Death::Renamed, &scene.dir);
    let mut any = bench.applet(waiter.ours());
    any.arg("--dir")
        .arg(&scene.dir)
        .arg(format!(":exit={CODE}"));
    if count <= MOST_FOR_ANY {
        contestants.push(Contestant::new(ANY, any));
    }
    let rounds = bench.rounds.min(MOST_STARTS / count.max(30));
    in_turns_after(3, &mut contestants, rounds.max(3), |command| {
        scene.rename_to_end(1, |_| waiter.start(command))
    })?;
    let compared =
        |figure: String, ours| Comparison::times(figure, &contestants, ours, &[waiter.peer()]);
    let figure = format!("scale: reaction of wait among {count} tombstones");
    let of_any = format!("scale: the same for any of {count} tombstones");
    let mut rows = vec![compared(figure, waiter.ours())];
    if count <= MOST_FOR_ANY {
        rows.push(compared(of_any, ANY));
    }
    Ok(rows)
}

fn with_waiters(bench: &Bench, text: &str, count: usize) -> Outcome<Comparison> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let scene = Scene::set_up(&place, text)?;
    let waiter = Follower::Waiter;
    let mut contestants = waiter.contestants(bench, Death::Renamed, &scene.dir);
    let rounds = bench.rounds.min(MOST_STARTS / count.max(30));
    in_turns_after(1, &mut contestants, rounds.max(2), |command| {
        scene.rename_to_end(count, |_| waiter.start(command))
    })?;
    let figure = format!("scale: a death to the exit of all waiters, {count}");
    let (ours, peers) = (waiter.ours(), [waiter.peer()]);
    Ok(Comparison::times(figure, &contestants, ours, &peers))
}

/// The number of inotify instances that a user may have. Root may raise it for a while.
struct Instances {
    before: String,
    now: usize,
}

impl Instances {
    /// Instances of waiters that have ended count until the kernel's collector comes.
    const FOR_EACH: usize = 8;
    const FILE: &'static str = "/proc/sys/fs/inotify/max_user_instances";

    fn at_least(wanted: usize) -> Outcome<Instances> {
        let before = std::fs::read_to_string(Instances::FILE)
            .map_err(|error| format!("cannot read {}: {error}", Instances::FILE))?;
        let now = before.trim().parse().unwrap_or(0);
        let wanted = wanted * Instances::FOR_EACH;
        let is_raised = now < wanted && std::fs::write(Instances::FILE, wanted.to_string()).is_ok();
        let now = if is_raised { wanted } else { now };
        Ok(Instances { before, now })
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        // It fails for another user than root, who has changed nothing.
        let _ = std::fs::write(Instances::FILE, &self.before);
    }
}
