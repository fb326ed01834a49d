//! How soon a supervisor that is killed is noticed: from SIGKILL until the parent sees the exit of
//! a program that waits for this death.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch};
use crate::comparison::Comparison;
use crate::followers::{Death, Follower, NAME};
use crate::process::Process;
use crate::samples::in_turns;
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let figures = [
        (Follower::Waiter, "crash of a peer: to the exit of wait"),
        (Follower::Supervisor, "crash of a peer: to the exit of run"),
    ];
    let compared = figures.map(|(follower, figure)| measure(bench, follower, figure));
    compared.into_iter().collect()
}

fn measure(bench: &Bench, follower: Follower, figure: &str) -> Outcome<Comparison> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let dir = place.path("graveyard");
    let mut contestants = follower.contestants(bench, Death::Crashed, &dir);
    in_turns(&mut contestants, bench.rounds, |command| {
        let mut leader = leader(bench, &dir);
        kill_to_exit(follower, command, &mut leader)
    })?;
    let (ours, peers) = (follower.ours(), [follower.peer()]);
    Ok(Comparison::times(figure, &contestants, ours, &peers))
}

/// The supervisor that is killed.
fn leader(bench: &Bench, dir: &Path) -> Command {
    let mut command = bench.applet("exitdir-run");
    command.arg("--dir").arg(dir);
    command.args(["--quiet", "--name", NAME, "--"]);
    command.arg(&bench.echo);
    command
}

fn kill_to_exit(
    follower: Follower,
    command: &mut Command,
    leader: &mut Command,
) -> Outcome<Duration> {
    let mut leader = Process::start_piped(leader)?;
    leader.await_byte()?;
    let mut waiting = follower.start(command)?;
    let began = Instant::now();
    leader.send(Signal::KILL)?;
    waiting.end()?;
    Ok(began.elapsed())
}
