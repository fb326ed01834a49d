//! What follows from observations: the verdict of a wait and the cause of a stop, against oracles
//! that look at the whole history each time.

use crate::fuzzing::input::Input;
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::{DeathDeps, Dependence};
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::life::{Death, Life, LockState, Observation, WriteState};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;
use std::collections::BTreeSet;

const NAMES: [&str; 4] = ["a", "b", "c", "own"];
const STATES: [State; 9] = [
    State::Waiting,
    State::Born,
    State::Ready,
    State::Inactive,
    State::Ok,
    State::Failed,
    State::Lost,
    State::Died,
    State::Exit(3),
];

/// What a life can say, behind its id.
const LIVES: [&str; 9] = [
    "",
    "Born: 1\n",
    "Born: 1\nReady: 1\n",
    "Inactive: 1\n",
    "ExitCode: 0\nDied: 1\n",
    "Born: 1\nExitCode: 0\nDied: 1\n",
    "Born: 1\nExitCode: 3\nDied: 2\n",
    "Born: 1\nDied: 1\n",
    "Born: 1\nCause: c\n",
];

/// All that was observed: one list for each scan.
type Scans = Vec<Vec<Observation>>;

/// Observes some scans with some conditions, and compares after each scan.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let conditions = conditions(&mut input);
    let births = conditions
        .get(..usize::from(input.byte() % 3))
        .unwrap_or_default()
        .to_vec();
    let own = Some(name("own")).filter(|_| input.flag());
    let flags = input.byte();
    let terms = terms(flags);
    let fell: Vec<Cause> = (0..flags >> 3 & 3).map(|_| cause(&mut input)).collect();
    let still_dead = input.byte();
    let is_still_dead = |cause: &Cause| still_dead & 1 << place(&cause.name) != 0;
    let unread = Vec::from_iter((flags & 0x80 != 0).then(|| name("a")));
    let wait = WaitOracle {
        conditions: &conditions,
        terms,
        own: own.as_ref(),
    };
    let mut evaluator = Evaluator::new(&conditions, terms, own.as_ref());
    let mut deps = DeathDeps::new(&conditions, &births, own.as_ref(), &fell);
    let oracle = StopOracle {
        wait,
        births,
        fell,
        unread: &unread,
        is_still_dead: &is_still_dead,
    };
    let mut scans = Scans::new();
    while !input.is_empty() && scans.len() < 8 {
        let scan = scan(&mut input, if scans.is_empty() { &unread } else { &[] });
        evaluator.observe(&scan);
        deps.observe(&scan, &unread, &is_still_dead);
        scans.push(scan);
        oracle.wait.check(&evaluator, &scans);
        oracle.check(&deps, &scans);
    }
}

fn terms(flags: u8) -> Terms {
    Terms {
        mode: if flags & 1 == 0 { Mode::All } else { Mode::Any },
        keep_waiting: flags & 2 != 0,
        need_code: flags & 4 != 0,
    }
}

fn conditions(input: &mut Input<'_>) -> Vec<Condition> {
    let count = input.byte() % 4;
    let condition = |input: &mut Input<'_>| {
        let which = input.byte() % 5;
        Condition {
            name: NAMES.get(usize::from(which)).map(|text| name(text)),
            state: input.pick(&STATES),
        }
    };
    (0..=count).map(|_| condition(input)).collect()
}

/// At most one observation of each name, which is neither of these.
fn scan(input: &mut Input<'_>, unread: &[Name]) -> Vec<Observation> {
    let mut seen: BTreeSet<Name> = unread.iter().cloned().collect();
    let mut scan = Vec::new();
    for _ in 0..input.byte() % 5 {
        let name = name(input.pick::<&str>(&NAMES));
        let ended = (0..input.byte() % 8 / 6)
            .map(|_| life(input).into_ended())
            .collect();
        let current = (input.byte() & 7 != 0).then(|| life(input));
        if seen.insert(name.clone()) {
            scan.push(Observation {
                name,
                ended,
                current,
            });
        }
    }
    scan
}

fn life(input: &mut Input<'_>) -> Life {
    let choice = input.byte();
    let (id, lost, settled) = (choice & 3, choice & 4 != 0, choice & 8 != 0);
    let mut text = format!("Waiting: {}\n{}", time(id).as_str(), input.pick(&LIVES));
    match choice >> 4 {
        0 => text.clear(),
        1 => text.insert_str(0, "Message: x\n"),
        2..6 => text.insert_str(0, &format!("Cause: {}\n", input.pick(&NAMES))),
        6..8 => text.insert_str(0, &format!("Cause: b\nCauseLife: {}\n", time(id).as_str())),
        _ => {}
    }
    let lock = if lost {
        LockState::Released
    } else {
        LockState::Unknown
    };
    let writing = if settled {
        WriteState::Settled
    } else {
        WriteState::Ongoing
    };
    Life::judge(Tombstone::parse(text.as_bytes()), lock, writing)
}

fn cause(input: &mut Input<'_>) -> Cause {
    Cause {
        name: name(input.pick::<&str>(&NAMES)),
        life: Some(time(input.byte() & 3)),
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn place(name: &Name) -> usize {
    NAMES
        .iter()
        .position(|other| *other == name.as_str())
        .unwrap_or_default()
}

fn time(id: u8) -> Timestamp {
    Timestamp::from_text(format!("2026-11-20T00:00:0{id}Z"))
}

fn has_known_code(life: &Life) -> bool {
    life.death().and_then(Death::code).is_some()
}

/// What a wait asks for.
#[derive(Clone, Copy)]
struct WaitOracle<'a> {
    conditions: &'a [Condition],
    terms: Terms,
    own: Option<&'a Name>,
}

impl WaitOracle<'_> {
    fn check(&self, evaluator: &Evaluator, scans: &Scans) {
        let mut holding = self
            .conditions
            .iter()
            .filter(|condition| self.holds(condition, scans));
        let mut lost = self
            .conditions
            .iter()
            .filter(|condition| self.is_lost(condition, scans));
        let count = self.conditions.len();
        let expected = match self.terms.mode {
            Mode::All if holding.clone().count() == count => "holds",
            Mode::All if lost.next().is_some() => "impossible",
            Mode::Any if holding.next().is_some() => "holds",
            Mode::Any if lost.count() == count => "impossible",
            Mode::All | Mode::Any => "open",
        };
        let verdict = match evaluator.verdict() {
            Verdict::Open => "open",
            Verdict::Impossible => "impossible",
            Verdict::Holds(matches) => {
                let says = |life: &Life| self.conditions.iter().any(|it| life.has_state(it.state));
                assert!(matches.iter().all(|found| says(&found.life)), "{matches:?}");
                "holds"
            }
        };
        assert_eq!(verdict, expected, "{:?} after {scans:#?}", self.conditions);
        evaluator.explain();
        let dead = |(_, life): (&Name, &Life)| has_known_code(life);
        assert!(evaluator.failure().is_none_or(dead));
    }

    /// What was observed of the lives that the condition is about, with the number of the scan.
    fn seen<'s>(&self, condition: &Condition, scans: &'s Scans) -> Vec<(usize, &'s Observation)> {
        let covers = |name: &Name| match &condition.name {
            Some(wanted) => wanted == name,
            None => self.own != Some(name),
        };
        let all = scans.iter().enumerate();
        let all = all.flat_map(|(at, scan)| scan.iter().map(move |seen| (at, seen)));
        all.filter(|(_, seen)| covers(&seen.name)).collect()
    }

    fn holds(&self, condition: &Condition, scans: &Scans) -> bool {
        let seen = self.seen(condition, scans);
        let has_state = |life: &Life| life.has_state(condition.state);
        if condition.state.is_death() {
            let counts = |life: &Life| has_known_code(life) || !self.terms.need_code;
            return seen
                .iter()
                .any(|(_, it)| it.lives().any(|life| has_state(life) && counts(life)));
        }
        // Only the last observation of each name counts.
        NAMES.iter().any(|name| {
            let of_name = seen.iter().rev().find(|(_, it)| it.name.as_str() == *name);
            of_name.is_some_and(|(_, it)| it.current.as_ref().is_some_and(has_state))
        })
    }

    /// Whether the name ended in another way, and has not had the state since.
    fn is_lost(&self, condition: &Condition, scans: &Scans) -> bool {
        if self.terms.keep_waiting || condition.name.is_none() || self.holds(condition, scans) {
            return false;
        }
        let seen = self.seen(condition, scans);
        if condition.state.is_death() {
            return seen.iter().any(|(_, it)| it.lives().any(has_known_code));
        }
        let first = seen
            .iter()
            .find(|(at, _)| *at == 0)
            .and_then(|(_, it)| it.current.as_ref());
        let key = |life: &Life| (life.tombstone.life().cloned(), life.tombstone.died.clone());
        let initial = first.filter(|life| !life.is_alive()).map(key);
        let has_state = |life: &Life| life.has_state(condition.state);
        let since = seen
            .iter()
            .rev()
            .take_while(|(_, it)| !it.current.iter().any(has_state));
        let died = |life: &Life| life.death().is_some() && Some(key(life)) != initial;
        since
            .into_iter()
            .any(|(_, it)| !it.ended.is_empty() || it.current.iter().any(died))
    }
}

/// What a life depends on.
struct StopOracle<'a> {
    wait: WaitOracle<'a>,
    births: Vec<Condition>,
    fell: Vec<Cause>,
    unread: &'a [Name],
    is_still_dead: &'a dyn Fn(&Cause) -> bool,
}

impl StopOracle<'_> {
    fn check(&self, deps: &DeathDeps, scans: &Scans) {
        let lives = scans.iter().flatten();
        let lives: Vec<(&Name, &Life)> = lives
            .flat_map(|it| it.lives().map(move |life| (&it.name, life)))
            .collect();
        let first = self.wait.conditions.iter().find_map(|condition| {
            let stops = |at: &usize| self.stops(condition, &lives[..=*at], scans);
            let at = (0..lives.len()).find(stops)?;
            let (name, life) = lives[at];
            let id = || {
                life.tombstone
                    .life()
                    .filter(|_| life.death().is_some())
                    .cloned()
            };
            let own = || Cause {
                name: name.clone(),
                life: id(),
            };
            let cause = life.tombstone.cause().unwrap_or_else(own);
            Some((cause, self.dependence(condition, name, life)))
        });
        let found = deps.stop_cause();
        let found = found.map(|found| (found.cause.clone(), found.dependence));
        assert_eq!(found, first, "{:?} after {scans:#?}", self.wait.conditions);
    }

    /// Whether the condition holds for the last of these lives.
    fn stops(&self, condition: &Condition, lives: &[(&Name, &Life)], scans: &Scans) -> bool {
        let (name, life) = *lives.last().unwrap();
        if !condition.is_about(name) || !life.has_state(condition.state) {
            return false;
        }
        let awaited = self.is_awaited(condition, name) && !self.was_born(name, lives, scans);
        let excused = life.tombstone.cause().is_some_and(|cause| {
            let is_known = self.fell.iter().any(|known| known.covers(&cause));
            Some(&cause.name) == self.wait.own || is_known && !(self.is_still_dead)(&cause)
        });
        life.death().is_none() || has_known_code(life) && !awaited && !excused
    }

    fn is_awaited(&self, condition: &Condition, name: &Name) -> bool {
        let same =
            |birth: &Condition| birth.name == condition.name || birth.name.as_ref() == Some(name);
        self.births.iter().any(same)
    }

    fn was_born(&self, name: &Name, lives: &[(&Name, &Life)], scans: &Scans) -> bool {
        let initial = self.initial_death(name, scans);
        let is_new =
            |life: &Life| initial.is_none_or(|old| old.tombstone.life() != life.tombstone.life());
        let mut of_name = lives.iter().filter(|(other, _)| *other == name);
        of_name.any(|(_, life)| life.tombstone.born.is_some() && is_new(life))
    }

    /// The life that was dead at the first scan, or at the first one that could read it.
    fn initial_death<'s>(&self, name: &Name, scans: &'s Scans) -> Option<&'s Life> {
        let is_late = self.unread.contains(name);
        let scans = if is_late { &scans[..] } else { &scans[..1] };
        let seen = scans.iter().flatten().find(|it| it.name == *name)?;
        seen.current.as_ref().filter(|life| life.death().is_some())
    }

    fn dependence(&self, condition: &Condition, name: &Name, life: &Life) -> Dependence {
        let failed = life.death().is_some() && !life.has_state(State::Ok);
        if failed || self.is_awaited(condition, name) {
            Dependence::Required
        } else if condition.name.is_none() {
            Dependence::Unnamed
        } else {
            Dependence::Auxiliary
        }
    }
}
