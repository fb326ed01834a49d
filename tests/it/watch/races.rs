//! Races: a signal against a wait, births against births, and lives in quick succession with many
//! watchers.

use crate::support::inspect::assert_sentence;
use crate::support::parallel::SetOnDrop;
use crate::support::requirements::is_long_run;
use crate::support::sandbox::{CONDITION_TIMEOUT, Running, Sandbox, Start, eventually, wait_until};
use crate::support::signals::KILL;
use crate::support::users::{as_user, installed, open_to_all};
use exitdir::{Announcement, Condition, ExitDir, Life, Liveness, Match, Name, State, Verdict};
use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

const FIRST_USER: u32 = 64_100;

#[test]
fn no_signal_is_lost_to_a_wait_that_starts_at_the_same_instant() {
    const THREADS: usize = 4;
    let rounds = if is_long_run() { 100_000 } else { 2_000 };
    let next = AtomicUsize::new(0);
    let duel_all = |user: u32| {
        // A sandbox of its own: events of other names would wake a wait that has missed its event.
        let sandbox = Sandbox::new();
        let binary = installed(&sandbox);
        open_to_all(&sandbox);
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            if round >= rounds {
                return;
            }
            race_signal_and_wait(&sandbox, &binary, user, round);
        }
    };
    std::thread::scope(|scope| {
        for user in (FIRST_USER..).take(THREADS) {
            let duel_all = &duel_all;
            scope.spawn(move || duel_all(user));
        }
    });
}

/// Starts a wait and a signal of the same name, in either order and a little apart. The gap sweeps
/// over the moments in which a wait scans, arms its watch, scans again and sleeps.
fn race_signal_and_wait(sandbox: &Sandbox, binary: &Path, user: u32, round: usize) {
    const WIDEST_GAP: usize = 1_500;
    let name = format!("n{round}");
    let applet = |words: &[&str]| {
        let mut command = sandbox.command(binary);
        as_user(&mut command, user)
            .args(words)
            .stdout(Stdio::null());
        command
    };
    // Without periodic rescans a missed event stays missed.
    let mut wait = applet(&["wait", "--poll", "off", &name]);
    let mut signal = applet(&["signal", &name]);
    let gap = Duration::from_micros((round / 2 * 37 % WIDEST_GAP) as u64);
    let (wait, signal) = if round.is_multiple_of(2) {
        let wait = wait.start();
        spin(gap);
        (wait, signal.start())
    } else {
        let signal = signal.start();
        spin(gap);
        (wait.start(), signal)
    };
    for (what, process) in [("signal", signal), ("wait", wait)] {
        let ended = process.end();
        assert_eq!(ended.status, 0, "round {round}: {what}: {ended:?}");
    }
    std::fs::remove_file(sandbox.dir().join(&name)).unwrap();
}

/// The gap between two starts, much shorter than a sleep can be.
fn spin(gap: Duration) {
    let began = Instant::now();
    while began.elapsed() < gap {
        std::hint::spin_loop();
    }
}

#[test]
fn exactly_one_of_ten_supervisors_started_at_once_runs() {
    const THREADS: usize = 6;
    let rounds = if is_long_run() { 500 } else { 120 };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let sandbox = Sandbox::new();
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        return;
                    }
                    start_at_once(&sandbox, round);
                }
            });
        }
    });
}

/// Ten supervisors, without a tombstone or with the dead one of the round before.
fn start_at_once(sandbox: &Sandbox, round: usize) {
    // Every command reads from it, so none ends before the test closes it.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut crowd: Vec<Running> = (0..10)
        .map(|_| {
            let mut run = sandbox.run(["-n", "main", "--", "cat"]);
            run.stdin(reader.try_clone().unwrap()).start()
        })
        .collect();
    drop(reader);
    wait_until("nine of ten have ended", || {
        let living = crowd
            .iter_mut()
            .filter_map(|run| run.is_running().then_some(()));
        living.count() <= 1
    });
    let winner = crowd.iter_mut().position(Running::is_running);
    let winner = crowd.remove(winner.unwrap_or_else(|| panic!("round {round}: none runs")));
    for loser in crowd {
        let ended = loser.end();
        assert_sentence(&ended, "exitdir-run", 125);
    }
    sandbox.await_key("main", "Ready");
    let life = || ExitDir::new(sandbox.dir()).life(&main()).unwrap().unwrap();
    assert_eq!(life().state(), Some(State::Ready), "round {round}");
    assert_eq!(sandbox.entries(), ["main"], "round {round}");
    let (status, state) = if round.is_multiple_of(2) {
        drop(writer);
        (0, State::Ok)
    } else {
        winner.send(KILL);
        (137, State::Lost)
    };
    assert_eq!(winner.end().status, status, "round {round}");
    let dead = life();
    assert!(dead.has_state(state), "round {round}: {dead:?}");
    assert_eq!(sandbox.entries(), ["main"], "round {round}");
}

fn main() -> Name {
    Name::new("main").unwrap()
}

const POLLERS: usize = 20;
const WAITERS: usize = 20;
/// How many of the watchers that an event wakes must watch a life before it ends.
const MIN_WAITERS: usize = 12;

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeathKind {
    Code(u8),
    Lost,
}

/// The life's time of birth, which names it.
type LifeId = String;

/// What the driver and the watchers share.
#[derive(Default)]
struct Observations {
    over: AtomicBool,
    /// How many are known to have begun their wait while this life was alive, and to be waiting.
    waiters: Mutex<(LifeId, usize)>,
    more: Condvar,
    /// Lives, each with the end that a watcher saw.
    seen: Mutex<Vec<(LifeId, DeathKind)>>,
}

#[test]
fn every_death_is_seen_even_if_the_next_life_begins_at_once() {
    let lives = if is_long_run() { 2_000 } else { 300 };
    let sandbox = Sandbox::new();
    let observations = Observations::default();
    let dir = sandbox.dir();
    std::fs::create_dir(&dir).unwrap();
    let mut first = begin_life(&sandbox, 0);
    publication_after(&sandbox, None, &mut first);
    let (ends, noticed, looks) = std::thread::scope(|scope| {
        let over = SetOnDrop(&observations.over);
        let woken: Vec<_> = (0..WAITERS)
            .map(|_| scope.spawn(|| wait_for_deaths(&observations, &dir)))
            .collect();
        let looking: Vec<_> = (0..POLLERS)
            .map(|_| scope.spawn(|| poll_for_deaths(&observations, &dir)))
            .collect();
        let ends = run_lives(&sandbox, &observations, first, lives);
        drop(over);
        let sum = |threads: Vec<std::thread::ScopedJoinHandle<'_, usize>>| -> usize {
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        };
        (ends, sum(woken), sum(looking))
    });
    assert_eq!(ends.len(), lives);
    for (life, end) in observations.seen.into_inner().unwrap() {
        assert_eq!(ends.get(&life), Some(&end), "the end of {life}");
    }
    assert!(noticed >= lives * MIN_WAITERS, "{noticed} deaths heard");
    println!("{lives} lives, {noticed} deaths seen by watchers of the life, {looks} looks");
}

/// Every life has a code that none of its neighbours has.
fn code_of(life: usize) -> u8 {
    (life % 100 + 1) as u8
}

/// A supervisor, and the pipe that its command waits for the end of.
type StartedLife = (Running, PipeWriter, usize);

fn begin_life(sandbox: &Sandbox, life: usize) -> StartedLife {
    let (reader, writer): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
    let script = format!("read line; exit {}", code_of(life));
    let mut run = sandbox.run(["-n", "main", "--", "sh", "-c", &script]);
    (run.stdin(reader).start(), writer, life)
}

/// Waits until the tombstone is that of another life. A supervisor that was refused, because the
/// one before took its time to go, is started again.
fn publication_after(
    sandbox: &Sandbox,
    before: Option<&LifeId>,
    started: &mut StartedLife,
) -> LifeId {
    eventually("the life is published", || {
        let now = sandbox
            .key("main", "Waiting")
            .filter(|now| Some(now) != before);
        if now.is_none() && !started.0.is_running() {
            *started = begin_life(sandbox, started.2);
        }
        now
    })
}

/// Runs the lives, one after the other, and returns how each of them ended.
fn run_lives(
    sandbox: &Sandbox,
    observations: &Observations,
    first: StartedLife,
    lives: usize,
) -> BTreeMap<LifeId, DeathKind> {
    let dir = ExitDir::new(sandbox.dir());
    let mut ends = BTreeMap::new();
    let mut current = first;
    for life in 0..lives {
        let id = sandbox.key("main", "Waiting").unwrap();
        await_waiters(observations, &id);
        // It competes for the name from before the death.
        let next = (life + 1 < lives).then(|| begin_life(sandbox, life + 1));
        let (run, writer, _) = current;
        let code = code_of(life);
        let (status, end) = match life % 4 {
            0 => {
                run.send(KILL);
                (137, DeathKind::Lost)
            }
            1 => {
                // A text that the supervisor itself would write differently.
                dir.signal(&main(), Announcement::Died(code + 100), None)
                    .unwrap();
                drop(writer);
                (code.into(), DeathKind::Code(code + 100))
            }
            _ => {
                drop(writer);
                (code.into(), DeathKind::Code(code))
            }
        };
        ends.insert(id.clone(), end);
        let ended = run.end();
        assert_eq!(ended.status, status, "life {life}: {ended:?}");
        let Some(mut next) = next else { break };
        publication_after(sandbox, Some(&id), &mut next);
        current = next;
    }
    ends
}

fn await_waiters(observations: &Observations, id: &LifeId) {
    let waiters = observations.waiters.lock().unwrap();
    let (_guard, waited) = observations
        .more
        .wait_timeout_while(waiters, CONDITION_TIMEOUT, |(seen, count)| {
            seen != id || *count < MIN_WAITERS
        })
        .unwrap();
    assert!(!waited.timed_out(), "too few see {id}");
}

fn register_waiter(observations: &Observations, id: &LifeId) {
    let mut waiters = observations.waiters.lock().unwrap();
    if waiters.0 != *id {
        // A late watcher of an earlier life must not be counted.
        if waiters.0 > *id {
            return;
        }
        *waiters = (id.clone(), 0);
    }
    waiters.1 += 1;
    observations.more.notify_all();
}

fn id_of(life: &Life) -> LifeId {
    format!("\"{}\"", life.tombstone.waiting.as_ref().unwrap().as_str())
}

fn end_of(life: &Life) -> Option<DeathKind> {
    let code = life.death()?.code().expect("our own ends have a code");
    Some(if life.has_state(State::Lost) {
        DeathKind::Lost
    } else {
        DeathKind::Code(code)
    })
}

/// Waits for one death after the other; returns how many were of lives that it had seen alive.
fn wait_for_deaths(observations: &Observations, path: &Path) -> usize {
    let dir = ExitDir::new(path);
    let condition = Condition::parse("main", State::Died).unwrap();
    let alive = || {
        let life = dir.life(&main()).unwrap().expect("a name never disappears");
        life.is_alive().then(|| id_of(&life))
    };
    let mut noticed = 0;
    while !observations.over.load(Ordering::Relaxed) {
        let Some(before) = alive() else {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        };
        let mut watch = dir.watch(std::slice::from_ref(&condition)).unwrap();
        // Alive before and after: then the first scan saw this life.
        let open = watch.check().unwrap() == Verdict::Open;
        let witnessed = open && alive().as_ref() == Some(&before);
        if witnessed {
            register_waiter(observations, &before);
        }
        let Verdict::Holds(deciders) = watch.wait(Some(CONDITION_TIMEOUT)).unwrap() else {
            let now = dir.life(&main());
            panic!("the death of {before} was never heard; by now there is {now:?}");
        };
        let [Match { life, .. }] = &deciders[..] else {
            panic!("one condition, one decider: {deciders:?}")
        };
        let id = id_of(life);
        assert!(id >= before, "a watcher of {before} got the death of {id}");
        if witnessed {
            assert_eq!(id, before, "the death of {before} was missed");
            noticed += 1;
        }
        let end = end_of(life).expect("a death");
        observations.seen.lock().unwrap().push((id, end));
    }
    noticed
}

/// Reads the tombstone again and again; returns how often.
fn poll_for_deaths(observations: &Observations, path: &Path) -> usize {
    let dir = ExitDir::new(path);
    let mut looks = 0;
    let mut last: Option<(LifeId, Option<DeathKind>)> = None;
    while !observations.over.load(Ordering::Relaxed) {
        let text = std::fs::read_to_string(path.join("main")).expect("a name never disappears");
        assert!(
            text.starts_with("Waiting: \"")
                && text.contains("\nLock: fcntl ")
                && text.ends_with('\n'),
            "half a tombstone: {text:?}"
        );
        let life = dir.life(&main()).unwrap().expect("a name never disappears");
        assert_ne!(
            life.liveness,
            Liveness::Unsettled,
            "neither alive nor dead: {life:?}"
        );
        let now = (id_of(&life), end_of(&life));
        if let Some((id, end)) = &last {
            assert!(
                *id <= now.0,
                "{id} was replaced by an older life, {}",
                now.0
            );
            let same = *id == now.0;
            assert!(
                !same || end.is_none() || *end == now.1,
                "{id}: {end:?} became {:?}",
                now.1
            );
        }
        if last.as_ref() != Some(&now)
            && let (id, Some(end)) = &now
        {
            observations.seen.lock().unwrap().push((id.clone(), *end));
        }
        last = Some(now);
        looks += 1;
        // Twenty pollers without a pause would leave the lives no processor time.
        std::thread::sleep(Duration::from_micros(500));
    }
    looks
}
