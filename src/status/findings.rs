//! What is wrong with the dependencies of lives, and what to do. Pure.

use crate::error::escaped;
use crate::protocol::condition::Condition;
use crate::protocol::item::{Item, parts};
use crate::protocol::life::{Life, Liveness, Phase, Standing};
use crate::protocol::name::Name;
use crate::sorted::SortedSet;

/// How many names a finding lists, and how many findings of a kind there are.
pub(crate) const SHOWN: usize = 5;

/// What the findings need of one life.
#[derive(Debug)]
pub(crate) struct KnownLife {
    pub(crate) name: Name,
    standing: Standing,
    /// The conditions about names, as long as it waits for them.
    waits_for: Vec<Condition>,
    /// The same of its death dependencies, as long as it lives.
    follows: Vec<Condition>,
}

impl KnownLife {
    pub(crate) fn new(name: Name, life: &Life) -> KnownLife {
        let tombstone = &life.tombstone;
        let list = |text: &Option<String>, counts: bool| {
            let text = text.as_deref().filter(|_| counts);
            named_conditions(text.unwrap_or_default())
        };
        KnownLife {
            name,
            standing: life.standing(),
            waits_for: list(&tombstone.waiting_for, is_waiting(life.standing())),
            follows: list(&tombstone.follows, life.is_alive()),
        }
    }
}

fn is_waiting(standing: Standing) -> bool {
    standing.liveness == Liveness::Alive(Phase::Waiting)
}

/// The conditions about names in a list of a tombstone, each once. Nothing is known of a source.
fn named_conditions(text: &str) -> Vec<Condition> {
    let items: Vec<Item> = text.split(',').filter_map(Item::from_recorded).collect();
    let conditions = parts(&items).filter_map(|part| part.life());
    let mut known = SortedSet::default();
    conditions
        .filter(|condition| condition.name.is_some() && known.insert(condition.to_string()))
        .cloned()
        .collect()
}

/// The findings about these lives, which are sorted by name, one sentence each.
pub(crate) fn dependency_findings(lives: &[KnownLife]) -> Vec<String> {
    let mut findings = limited(&mut lives.iter().flat_map(|life| all_missing(lives, life)));
    findings.extend(limited(
        &mut lives.iter().flat_map(|life| ended(lives, life)),
    ));
    findings.extend(limited(&mut cycles(lives).into_iter()));
    findings
}

/// The first findings of a kind, and how many there are beside them.
pub(crate) fn limited(findings: &mut dyn Iterator<Item = String>) -> Vec<String> {
    let mut shown: Vec<String> = (&mut *findings).take(SHOWN).collect();
    let more = findings.count();
    shown.extend((more > 0).then(|| format!("and {more} more findings of this kind")));
    shown
}

/// The first names, and how many there are beside them.
pub(crate) fn list(names: &[String]) -> String {
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn find<'l>(lives: &'l [KnownLife], condition: &Condition) -> Option<(usize, &'l KnownLife)> {
    let name = condition.name.as_ref()?;
    let at = lives.binary_search_by(|life| life.name.cmp(name)).ok()?;
    Some((at, lives.get(at)?))
}

/// Dependencies of a life that no life has. One that it waits for and follows is named once.
fn all_missing(lives: &[KnownLife], life: &KnownLife) -> Vec<String> {
    let mut findings = missing(lives, life, &life.waits_for, "waits for");
    let followed = life
        .follows
        .iter()
        .filter(|it| !life.waits_for.iter().any(|other| other.name == it.name));
    findings.extend(missing(lives, life, followed, "follows"));
    findings
}

/// Dependencies that no life has.
fn missing<'c>(
    lives: &[KnownLife],
    life: &KnownLife,
    conditions: impl IntoIterator<Item = &'c Condition>,
    verb: &str,
) -> Vec<String> {
    let unknown = conditions
        .into_iter()
        .filter(|condition| find(lives, condition).is_none());
    let sentence = |condition: &Condition| {
        let named = condition.name.as_ref().map_or("", Name::as_str);
        format!(
            "{} {verb} {}, but no life has the name {}: start it with this exit directory, or \
             correct the name",
            shown(life),
            escaped(&condition.to_string()),
            escaped(named)
        )
    };
    unknown.map(sentence).collect()
}

/// Birth dependencies on lives that have ended in another way.
fn ended(lives: &[KnownLife], life: &KnownLife) -> Vec<String> {
    let sentence = |condition: &Condition| {
        let (_, other) = find(lives, condition)?;
        let standing = other.standing;
        let Liveness::Dead(death) = standing.liveness else {
            return None;
        };
        // Without its code it is not known yet what holds.
        let code = death.code()?;
        (!standing.has_state(condition.state)).then(|| {
            format!(
                "{} waits for {}, but {} has ended with {code}: it waits for another life of that \
                 name; start it again, or give --fail-fast or --birth-timeout",
                shown(life),
                escaped(&condition.to_string()),
                shown(other)
            )
        })
    };
    life.waits_for.iter().filter_map(sentence).collect()
}

/// Lives that wait for each other. From each life that can never start, one of these is found.
fn cycles(lives: &[KnownLife]) -> Vec<String> {
    let waiting = |life: &KnownLife| {
        let blocking = life.waits_for.iter().filter_map(|condition| {
            let (at, other) = find(lives, condition)?;
            let is_blocked =
                is_waiting(other.standing) && !other.standing.has_state(condition.state);
            is_blocked.then_some(at)
        });
        blocking.collect::<Vec<usize>>()
    };
    let mut blocked_by: Vec<Vec<usize>> = lives.iter().map(waiting).collect();
    remove_ends(&mut blocked_by);
    // In which walk a life was passed.
    let mut passed: Vec<Option<usize>> = vec![None; lives.len()];
    let mut findings = Vec::new();
    for start in 0..lives.len() {
        let mut walk = Vec::new();
        let mut next = Some(start);
        while let Some((at, mark)) = next.and_then(|at| Some((at, passed.get_mut(at)?))) {
            match *mark {
                None => *mark = Some(start),
                Some(known) => {
                    let cycle = walk.iter().skip_while(|passed| **passed != at);
                    let names: Vec<String> = cycle
                        .filter_map(|at: &usize| lives.get(*at).map(shown))
                        .collect();
                    findings.extend((known == start).then(|| cycle_finding(&names)));
                    break;
                }
            }
            walk.push(at);
            next = blocked_by.get(at).and_then(|by| by.first()).copied();
        }
    }
    findings
}

/// Keeps only the lives that wait for ever, and what they wait for: the others wait, at the end,
/// for a life that waits for none.
fn remove_ends(blocked_by: &mut [Vec<usize>]) {
    let mut waits: Vec<usize> = blocked_by.iter().map(Vec::len).collect();
    let mut blocks: Vec<Vec<usize>> = vec![Vec::new(); blocked_by.len()];
    for (at, others) in blocked_by.iter().enumerate() {
        for other in others {
            blocks
                .get_mut(*other)
                .into_iter()
                .for_each(|list| list.push(at));
        }
    }
    let is_free = |count: &usize| *count == 0;
    let mut free: Vec<usize> = (0..waits.len())
        .filter(|at| waits.get(*at).is_some_and(is_free))
        .collect();
    while let Some(at) = free.pop() {
        for other in blocks.get_mut(at).map(std::mem::take).unwrap_or_default() {
            let Some(count) = waits.get_mut(other) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                free.push(other);
            }
        }
    }
    let ends: Vec<bool> = waits.iter().map(is_free).collect();
    for others in blocked_by {
        others.retain(|other| ends.get(*other) == Some(&false));
    }
}

fn cycle_finding(names: &[String]) -> String {
    match names {
        [one] => {
            format!("{one} waits for itself, so it never starts: remove this birth dependency")
        }
        names => format!(
            "{} wait for each other, so none of them starts: remove one of these birth dependencies",
            list(names)
        ),
    }
}

fn shown(life: &KnownLife) -> String {
    escaped(life.name.as_str())
}

#[cfg(test)]
mod tests;
