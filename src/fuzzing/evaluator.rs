//! What follows from observations: the verdict of a wait and the cause of a stop, against oracles
//! that look at the whole history each time.

use crate::fuzzing::history::{NAMES, ScanFound, Scans, has_known_code, source_death, time};
use crate::fuzzing::input::Input;
use crate::fuzzing::stop_oracle::StopOracle;
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::DeathDeps;
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::item::{Item, Part};
use crate::protocol::life::{Life, LockState, Observation, WriteState};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::source::Source;
use crate::protocol::state::State;
use crate::protocol::tombstone::Tombstone;
use std::collections::BTreeSet;

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

/// Observes some scans with some conditions, and compares after each scan.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let items = items(&mut input);
    let births = births(&mut input, &items);
    let birth_items: Vec<Item> = births.iter().cloned().map(Item::from).collect();
    let own = Some(name("own")).filter(|_| input.flag());
    let flags = input.byte();
    let terms = terms(flags);
    let fell: Vec<Cause> = (0..flags >> 3 & 3).map(|_| cause(&mut input)).collect();
    let still_dead = input.byte();
    let is_still_dead = |cause: &Cause| still_dead & 1 << place(&cause.name) != 0;
    let unread = Vec::from_iter((flags & 0x80 != 0).then(|| name("a")));
    let wait = WaitOracle {
        items: &items,
        terms,
        own: own.as_ref(),
    };
    let mut evaluator = Evaluator::new(&items, terms, own.as_ref());
    let mut deps = DeathDeps::new(&items, &birth_items, own.as_ref(), &fell);
    let oracle = StopOracle {
        items: &items,
        own: own.as_ref(),
        births,
        fell,
        unread: &unread,
        is_still_dead: &is_still_dead,
    };
    let mut scans = Scans::new();
    while !input.is_empty() && scans.len() < 8 {
        let unread: &[Name] = if scans.is_empty() { &unread } else { &[] };
        let scan = scan(&mut input, unread);
        evaluator.take_sources(&|_| scan.source);
        evaluator.observe(&scan.seen);
        let death = |_: &Source| scan.source.then(source_death);
        deps.observe(&scan.seen, unread, &is_still_dead, &death);
        scans.push(scan);
        wait.check(&evaluator, &scans);
        oracle.check(&deps, &scans);
    }
}

/// Some of the lives that the death dependencies are about.
fn births(input: &mut Input<'_>, items: &[Item]) -> Vec<Condition> {
    let births = lives(items).take(usize::from(input.byte() % 3));
    births.cloned().collect()
}

fn lives(items: &[Item]) -> impl Iterator<Item = &Condition> {
    let parts = items.iter().flat_map(|item| &item.parts);
    parts.filter_map(Part::life)
}

fn terms(flags: u8) -> Terms {
    Terms {
        mode: if flags & 1 == 0 { Mode::All } else { Mode::Any },
        keep_waiting: flags & 2 != 0,
        need_code: flags & 4 != 0,
    }
}

/// The upper bits of the count say which parts belong to the item of the part before them.
fn items(input: &mut Input<'_>) -> Vec<Item> {
    let count = input.byte();
    let mut items: Vec<Item> = Vec::new();
    for at in 0..=count % 4 {
        let which = input.byte();
        let state = input.pick(&STATES);
        let name = NAMES.get(usize::from(which % 5)).map(|text| name(text));
        let part = match which {
            0xf0.. => Part::Source(Source::parse("tcp:1").unwrap()),
            _ => Part::Life(Condition { name, state }),
        };
        match items.last_mut() {
            Some(item) if count >> 4 & 1 << at != 0 => item.parts.push(part),
            _ => items.push(Item { parts: vec![part] }),
        }
    }
    items
}

/// At most one observation of each name, which is neither of these.
fn scan(input: &mut Input<'_>, unread: &[Name]) -> ScanFound {
    let mut seen: BTreeSet<Name> = unread.iter().cloned().collect();
    let mut scan = Vec::new();
    let count = input.byte();
    for _ in 0..count % 5 {
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
    ScanFound {
        seen: scan,
        source: count & 0x80 != 0,
    }
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

/// What a wait asks for.
#[derive(Clone, Copy)]
struct WaitOracle<'a> {
    items: &'a [Item],
    terms: Terms,
    own: Option<&'a Name>,
}

impl WaitOracle<'_> {
    fn check(&self, evaluator: &Evaluator, scans: &Scans) {
        let holds = |item: &Item, part: &Part| match part {
            Part::Life(condition) => self.holds(condition, item.is_group(), scans),
            Part::Source(_) => scans.last().is_some_and(|scan| scan.source),
        };
        let is_lost = |item: &Item, part: &Part| {
            let condition = part.life();
            condition.is_some_and(|it| self.is_lost(it, item.is_group(), scans))
        };
        let items = self.items.iter();
        let mut holding = items.filter(|item| item.parts.iter().all(|part| holds(item, part)));
        let items = self.items.iter();
        let mut lost = items.filter(|item| item.parts.iter().any(|part| is_lost(item, part)));
        let count = self.items.len();
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
                let says = |life: &Life| lives(self.items).any(|it| life.has_state(it.state));
                assert!(matches.iter().all(|found| says(&found.life)), "{matches:?}");
                "holds"
            }
        };
        assert_eq!(verdict, expected, "{:?} after {scans:#?}", self.items);
        evaluator.explain(&|_| String::new());
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
        let all = all.flat_map(|(at, scan)| scan.seen.iter().map(move |seen| (at, seen)));
        all.filter(|(_, seen)| covers(&seen.name)).collect()
    }

    /// In a group only the present moment counts.
    fn holds(&self, condition: &Condition, in_group: bool, scans: &Scans) -> bool {
        let seen = self.seen(condition, scans);
        let needs_code = condition.state.is_death() && self.terms.need_code;
        let counts = |life: &Life| has_known_code(life) || !needs_code;
        let has_state = |life: &Life| life.has_state(condition.state) && counts(life);
        if condition.state.is_death() && !in_group {
            return seen.iter().any(|(_, it)| it.lives().any(has_state));
        }
        // Only the last observation of each name counts.
        NAMES.iter().any(|name| {
            let of_name = seen.iter().rev().find(|(_, it)| it.name.as_str() == *name);
            of_name.is_some_and(|(_, it)| it.current.as_ref().is_some_and(has_state))
        })
    }

    /// Whether the name ended in another way, and has not had the state since.
    fn is_lost(&self, condition: &Condition, in_group: bool, scans: &Scans) -> bool {
        let holds = self.holds(condition, in_group, scans);
        if self.terms.keep_waiting || condition.name.is_none() || holds {
            return false;
        }
        let seen = self.seen(condition, scans);
        if condition.state.is_death() && !in_group {
            return seen.iter().any(|(_, it)| it.lives().any(has_known_code));
        }
        let first = seen
            .iter()
            .find(|(at, _)| *at == 0)
            .and_then(|(_, it)| it.current.as_ref());
        let key = |life: &Life| (life.tombstone.life().cloned(), life.tombstone.died.clone());
        let initial = first.filter(|life| !life.is_alive()).map(key);
        let needs_code = condition.state.is_death() && self.terms.need_code;
        let counts = |life: &Life| has_known_code(life) || !needs_code;
        let has_state = |life: &Life| life.has_state(condition.state) && counts(life);
        let since = seen
            .iter()
            .rev()
            .take_while(|(_, it)| !it.current.iter().any(has_state));
        if condition.state.is_death() {
            let is_other = |life: &Life| has_known_code(life) && !life.has_state(condition.state);
            return since.into_iter().any(|(_, it)| it.lives().any(is_other));
        }
        let died = |life: &Life| life.death().is_some() && Some(key(life)) != initial;
        since
            .into_iter()
            .any(|(_, it)| !it.ended.is_empty() || it.current.iter().any(died))
    }
}
