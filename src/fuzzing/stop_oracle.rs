//! The second opinion about the cause of a stop: it looks at the whole history each time. For
//! groups (`A+B`) and sources it does so for each moment.

use crate::fuzzing::history::{NAMES, Scans, cause_of, has_known_code, source_death};
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::{DeathDeps, Dependence};
use crate::protocol::item::{Item, Part};
use crate::protocol::life::{Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::state::State;

/// What a life depends on.
pub(super) struct StopOracle<'a> {
    pub(super) items: &'a [Item],
    pub(super) own: Option<&'a Name>,
    pub(super) births: Vec<Condition>,
    pub(super) fell: Vec<Cause>,
    pub(super) unread: &'a [Name],
    pub(super) is_still_dead: &'a dyn Fn(&Cause) -> bool,
}

impl StopOracle<'_> {
    pub(super) fn check(&self, deps: &DeathDeps, scans: &Scans) {
        let lives = scans.iter().flat_map(|scan| &scan.seen);
        let lives: Vec<(&Name, &Life)> = lives
            .flat_map(|it| it.lives().map(move |life| (&it.name, life)))
            .collect();
        let first = self.items.iter().find_map(|item| {
            let Some(condition) = item.single_life() else {
                return Group { item, oracle: self }.stop(scans);
            };
            let stops = |at: &usize| self.stops(condition, &lives[..=*at], scans);
            let at = (0..lives.len()).find(stops)?;
            let (name, life) = lives[at];
            let dependence = self.dependence(condition, name, life);
            Some(vec![(cause_of(name, life), dependence)])
        });
        let found = deps.stop_cause();
        let found = found.map(|found| (found.cause.clone(), found.dependence));
        let is_right = match (&found, &first) {
            (Some(found), Some(allowed)) => allowed.contains(found),
            (found, allowed) => found.is_none() && allowed.is_none(),
        };
        let items = self.items;
        assert!(
            is_right,
            "{found:?}, not {first:?}: {items:?} after {scans:#?}"
        );
    }

    /// Whether the condition holds for the last of these lives.
    fn stops(&self, condition: &Condition, lives: &[(&Name, &Life)], scans: &Scans) -> bool {
        let (name, life) = *lives.last().unwrap();
        if !condition.is_about(name) || !life.has_state(condition.state) {
            return false;
        }
        self.counts(self.is_awaited(condition, name), lives, scans)
    }

    /// Whether the last of these lives counts. `awaited` is whether its name is expected to start
    /// again.
    fn counts(&self, awaited: bool, lives: &[(&Name, &Life)], scans: &Scans) -> bool {
        let (name, life) = *lives.last().unwrap();
        let awaited = awaited && !self.was_born(name, lives, scans);
        let excused = life.tombstone.cause().is_some_and(|cause| {
            let is_known = self.fell.iter().any(|known| known.covers(&cause));
            Some(&cause.name) == self.own || is_known && !(self.is_still_dead)(&cause)
        });
        life.death().is_none() || has_known_code(life) && !awaited && !excused
    }

    fn is_awaited(&self, condition: &Condition, name: &Name) -> bool {
        let same =
            |birth: &Condition| birth.name == condition.name || birth.name.as_ref() == Some(name);
        self.births.iter().any(same)
    }

    fn was_born(&self, name: &Name, lives: &[(&Name, &Life)], scans: &Scans) -> bool {
        let forgotten = self.forgotten(name, lives.len(), scans);
        let initial = match forgotten {
            None => self.initial_death(name, scans),
            Some(_) => None,
        };
        let is_new =
            |life: &Life| initial.is_none_or(|old| old.tombstone.life() != life.tombstone.life());
        let known = lives.iter().skip(forgotten.unwrap_or(0));
        let mut of_name = known.filter(|(other, _)| *other == name);
        of_name.any(|(_, life)| life.tombstone.born.is_some() && is_new(life))
    }

    /// Of how many of the first `count` lives nothing is known any more, because the name was gone
    /// after them: only names in conditions are kept. `None` if it was not gone before the last.
    fn forgotten(&self, name: &Name, count: usize, scans: &Scans) -> Option<usize> {
        if self.is_named(name) {
            return None;
        }
        let (mut before, mut forgotten) = (0, None);
        for it in scans.iter().flat_map(|scan| &scan.seen) {
            before += it.lives().count();
            if before >= count {
                break;
            }
            if it.name == *name && it.current.is_none() {
                forgotten = Some(before);
            }
        }
        forgotten
    }

    fn is_named(&self, name: &Name) -> bool {
        let of_items = self.items.iter().flat_map(|item| &item.parts);
        let mut all = of_items.filter_map(Part::life).chain(&self.births);
        all.any(|condition| condition.name.as_ref() == Some(name))
    }

    /// The life that was dead at the first scan, or at the first one that could read it.
    fn initial_death<'s>(&self, name: &Name, scans: &'s Scans) -> Option<&'s Life> {
        let is_late = self.unread.contains(name);
        let scans = if is_late { &scans[..] } else { &scans[..1] };
        let mut seen = scans.iter().flat_map(|scan| &scan.seen);
        let seen = seen.find(|it| it.name == *name)?;
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

/// An item that counts at the present moment.
struct Group<'a, 'o> {
    item: &'a Item,
    oracle: &'a StopOracle<'o>,
}

impl Group<'_, '_> {
    /// What may be found to stop for, after the first scan at whose end all parts held.
    fn stop(&self, scans: &Scans) -> Option<Vec<(Cause, Dependence)>> {
        let parts = &self.item.parts;
        let end = (0..scans.len()).find(|at| {
            let mut parts = parts.iter();
            parts.all(|part| !self.causes(part, *at, scans).is_empty())
        })?;
        // The part that held last has completed the group.
        let since = |part: &Part| {
            let before = (0..end).rev();
            before
                .take_while(|at| !self.causes(part, *at, scans).is_empty())
                .count()
        };
        let last = parts.iter().rev().min_by_key(|part| since(part))?;
        let causes = self.causes(last, end, scans);
        let dependences = self.dependences(end, scans);
        let pairs = causes
            .into_iter()
            .flat_map(|(cause, _)| dependences.iter().map(move |it| (cause.clone(), *it)));
        Some(pairs.collect())
    }

    /// Each life that satisfies the part at the end of a scan, as a cause.
    fn causes(&self, part: &Part, end: usize, scans: &Scans) -> Vec<(Cause, Option<Dependence>)> {
        let condition = match part {
            Part::Life(condition) => condition,
            Part::Source(source) => {
                let death = source_death();
                let cause = Cause {
                    name: Name::from_cause(source.as_str()).unwrap(),
                    life: Some(death.at),
                };
                let dead = scans[end].source.then_some((cause, None));
                return dead.into_iter().collect();
            }
        };
        let names = NAMES.iter().map(|text| Name::new(text).unwrap());
        let names = names.filter(|name| match &condition.name {
            Some(wanted) => wanted == name,
            None => self.oracle.own != Some(name),
        });
        let found = names.filter_map(|name| self.cause(condition, &name, end, scans));
        found.collect()
    }

    /// The cause that is under a name at the end of a scan, if it satisfies the condition.
    fn cause(
        &self,
        condition: &Condition,
        name: &Name,
        end: usize,
        scans: &Scans,
    ) -> Option<(Cause, Option<Dependence>)> {
        let seen = scans[..=end].iter().flat_map(|scan| &scan.seen);
        let seen: Vec<&Observation> = seen.collect();
        let last = seen.iter().rposition(|it| it.name == *name)?;
        let life = seen[last].current.as_ref()?;
        let lives = seen[..=last].iter();
        let lives: Vec<(&Name, &Life)> = lives
            .flat_map(|it| it.lives().map(move |life| (&it.name, life)))
            .collect();
        let awaited = self.oracle.is_awaited(&self.asked_about(name), name);
        let counts = self.oracle.counts(awaited, &lives, scans);
        if !life.has_state(condition.state) || !counts {
            return None;
        }
        let dependence = match life.has_state(State::Ok) {
            true => self.oracle.dependence(condition, name, life),
            false => Dependence::Required,
        };
        let single = self.oracle.dependence(condition, name, life);
        let is_group = self.item.is_group();
        Some((
            cause_of(name, life),
            Some(if is_group { dependence } else { single }),
        ))
    }

    /// The part of any group that is about the name: one that names it comes first.
    fn asked_about(&self, name: &Name) -> Condition {
        let items = self.oracle.items.iter();
        let groups = items.filter(|item| item.single_life().is_none());
        let lives = groups.flat_map(|item| &item.parts).filter_map(Part::life);
        let about: Vec<&Condition> = lives.filter(|it| it.is_about(name)).collect();
        let named = about.iter().find(|it| it.name.is_some());
        (*named.unwrap_or(&about[0])).clone()
    }

    /// How the life may depend on the group. Which life a part without a name has found is not
    /// known here, so each combination is allowed.
    fn dependences(&self, end: usize, scans: &Scans) -> Vec<Dependence> {
        let mut all = vec![Dependence::Auxiliary];
        for part in &self.item.parts {
            let causes = self.causes(part, end, scans);
            let of_part = causes
                .into_iter()
                .map(|(_, it)| it.unwrap_or(Dependence::Required));
            let of_part: Vec<Dependence> = of_part.collect();
            let pairs = all
                .iter()
                .flat_map(|one| of_part.iter().map(move |other| *one.max(other)));
            all = pairs.collect();
        }
        all
    }
}
