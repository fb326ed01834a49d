//! What programs that wait do in a minute: how often they wake up, and their processor time.
//!
//! All of them wait at the same time, for [`WINDOW`], and the figures are scaled to a minute. A
//! wake-up is a voluntary context switch of `/proc/PID/status`: the process went to sleep again.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch, peer, quiet};
use crate::comparison::Comparison;
use crate::followers::{Death, Follower};
use crate::peers::{FLOOR, FOLLOWING, OURS, SUPERVISORS, supervise};
use crate::process::Process;
use crate::samples::Spread;
use crate::table::Unit;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Long enough for two scans of exitdir, which are 10 s apart.
const WINDOW: Duration = Duration::from_secs(20);
/// The same for a minute.
const SCALE: f64 = 60.0 / WINDOW.as_secs() as f64;
const WAITER: &str = "exitdir-wait";
const POLLING: &str = "exitdir-wait --poll 1s";
const LOOP: &str = "busybox sh, a loop with sleep 1";
const LOOP_SCRIPT: &str = "while ! [ -e \"$0\" ]; do sleep 1; done";
/// The floor of a waiter. A program that polls has none.
const WAITING_FLOOR: &str = "(floor of a waiter)";

/// How often a program wakes up, and its processor time in microseconds.
#[derive(Clone, Copy, Debug)]
struct Spent([f64; 2]);

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let spent = measure(contestants(bench, &place)?)?;
    let find = |name: &str| {
        let mut found = spent.iter().filter(|(known, _)| *known == name);
        found.next().map(|(_, spent)| *spent)
    };
    let mut compared = Vec::new();
    for (at, what, unit) in [
        (0, "wake-ups a minute", Unit::WakeUps),
        (1, "processor time a minute", Unit::Microseconds),
    ] {
        let value = |name: &str| find(name).map(|Spent(values)| values.get(at).copied());
        let value = |name: &str| value(name).flatten().map(Spread::exactly);
        let row = |case: &str, ours: &str, floor: &str, peers: &[&str]| Comparison {
            figure: format!("{what}: {case}"),
            unit,
            ours: value(ours).unwrap_or(Spread::exactly(0.0)),
            floor: value(floor),
            peers: peers
                .iter()
                .map(|name| ((*name).to_owned(), value(name)))
                .collect(),
        };
        compared.push(row("run without a tombstone", OURS, FLOOR, &SUPERVISORS));
        compared.push(row("run with one", FOLLOWING, FLOOR, &SUPERVISORS));
        compared.push(row("wait", WAITER, WAITING_FLOOR, &["inotifywait"]));
        compared.push(row("wait that polls", POLLING, "", &[LOOP]));
    }
    Ok(compared)
}

/// The programs with their names, each of which waits.
fn contestants(bench: &Bench, place: &Scratch) -> Outcome<Vec<(&'static str, Process)>> {
    let dir = place.path("graveyard");
    std::fs::create_dir(&dir).map_err(|error| format!("cannot create: {error}"))?;
    let mut commands: Vec<(&'static str, Command)> = [OURS, FOLLOWING, FLOOR]
        .into_iter()
        .chain(SUPERVISORS)
        .filter_map(|name| {
            let command = supervise(bench, name, &bench.echo, &place.path(""));
            Some((name, command?))
        })
        .collect();
    let waiters = Follower::Waiter.contestants(bench, Death::Renamed, &dir);
    commands.extend(waiters.into_iter().map(|waiter| match waiter.name {
        FLOOR => (WAITING_FLOOR, waiter.command),
        name => (name, waiter.command),
    }));
    let mut polling = bench.applet(WAITER);
    polling
        .args(["--poll", "1s", "--dir"])
        .arg(&dir)
        .arg("main");
    commands.push((POLLING, polling));
    if let Some(program) = peer("busybox") {
        let mut polling = quiet(program);
        polling
            .args(["sh", "-c", LOOP_SCRIPT])
            .arg(dir.join("main"));
        commands.push((LOOP, polling));
    }
    let started = commands.into_iter().map(|(name, mut command)| {
        Ok((name, Process::start_waiting(&mut command, Process::sleeps)?))
    });
    started.collect()
}

fn measure(mut processes: Vec<(&'static str, Process)>) -> Outcome<Vec<(&'static str, Spent)>> {
    // The start is no part of the figures.
    std::thread::sleep(Duration::from_secs(1));
    let spent = |process: &Process| Ok([process.sleeps_so_far()?, process.processor_time()]);
    let before: Outcome<Vec<[f64; 2]>> = processes
        .iter()
        .map(|(_, process)| spent(process))
        .collect();
    std::thread::sleep(WINDOW);
    let mut measured = Vec::new();
    for ((name, process), [sleeps, time]) in processes.iter().zip(before?) {
        let [sleeps_after, time_after] = spent(process)?;
        let values = [sleeps_after - sleeps, time_after - time];
        measured.push((*name, Spent(values.map(|value| value * SCALE))));
    }
    for (_, process) in &mut processes {
        process.terminate()?;
    }
    Ok(measured)
}
