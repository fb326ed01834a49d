//! The signaller, as `say.rs` has it.

use super::follower::Sight;
use super::kernel::{Inode, Who};
use super::leader::Pulse;
use super::publish::{Course, Outcome, SIGNALLER, said};
use super::world::{Lapse, Setup, Step, World};
use crate::protocol::life::{Death, Life, Liveness, WriteState};
use crate::protocol::tombstone::{Tombstone, compose_append};
use crate::store::announce::Announcement;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Saying {
    Look(Sight),
    OpenToAppend(Inode),
    Append(Inode),
    CompareName(Inode),
    Publish,
    /// True if the word was written, false if there was no need to.
    Said(bool),
}

impl Saying {
    pub(super) fn what(&self, at: usize) -> &'static str {
        match self {
            Saying::Look(sight) => sight.what(),
            Saying::OpenToAppend(_) => "opens NAME to append",
            Saying::Append(_) => "writes half of its word",
            Saying::CompareName(_) => "compares its file with NAME",
            Saying::Publish => SIGNALLER.get(at).map_or("is done", |deed| deed.what()),
            Saying::Said(_) => "exits",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Signaller {
    pub(super) pulse: Pulse,
    pub(super) saying: Saying,
    pub(super) course: Course,
    /// For the checker alone: the last file under the name that had the word.
    pub(super) stood: Option<Inode>,
}

impl World {
    pub(super) fn signaller_steps(&self, setup: &Setup, next: &mut Vec<(Step, World)>) {
        let (Some(signaller), Some(word)) = (&self.signaller, setup.signaller) else {
            return;
        };
        let who = Who::Signaller;
        match signaller.pulse {
            Pulse::Running => {}
            Pulse::Ending | Pulse::HalfEnded => return self.end_step(who, setup, next),
            Pulse::Ended => return,
        }
        if !setup.next_lives_on {
            self.kill(who, next);
        }
        // Signallers stand where leaders do, and keep to the protocol.
        let sound = Setup {
            foreign: false,
            lapse: None,
            ..setup.clone()
        };
        let what = signaller.saying.what(signaller.course.at);
        let said = self.say(signaller, word, &sound, setup);
        next.extend(said.map(|world| ((who, what), world)));
    }

    fn say(
        &self,
        signaller: &Signaller,
        word: Announcement,
        sound: &Setup,
        setup: &Setup,
    ) -> Option<World> {
        let (mut world, mut course) = (self.clone(), signaller.course.clone());
        let saying = match &signaller.saying {
            Saying::Look(sight) => {
                return Some(self.say_next(self.look(sight, true, sound), word));
            }
            Saying::OpenToAppend(seen) if self.kernel.name == Some(*seen) => {
                course.file = Some(*seen);
                Saying::Append(*seen)
            }
            Saying::OpenToAppend(_) => Saying::Look(Sight::Open),
            Saying::Append(file) => {
                // `compose_append` asks for the last byte, and no write of a living leader is ever cut there.
                let text = &self.kernel.files[*file].text;
                let record = said(word);
                let lines = record.lines();
                let record = compose_append(&lines, text.len() as u64, text.last().copied());
                match world
                    .kernel
                    .write(*file, Who::Signaller, record.unwrap().as_bytes())
                {
                    None => return None,
                    Some(false) => Saying::Append(*file),
                    Some(true) if setup.lapses(Lapse::NoCompareAfterSaying) => Saying::Said(true),
                    Some(true) => Saying::CompareName(*file),
                }
            }
            Saying::CompareName(file) if self.kernel.name == Some(*file) => Saying::Said(true),
            Saying::CompareName(_) => {
                world.close(&mut course, Who::Signaller);
                Saying::Look(Sight::Open)
            }
            Saying::Publish => {
                let outcome = match SIGNALLER.get(course.at) {
                    Some(deed) => world.deed(Who::Signaller, *deed, &mut course, Some(word), None),
                    None => Outcome::SaidDead,
                };
                match outcome {
                    Outcome::Blocked => return None,
                    Outcome::Done | Outcome::Half => Saying::Publish,
                    Outcome::SaidDead => Saying::Said(true),
                    Outcome::Again | Outcome::Refused | Outcome::Failed | Outcome::Kept => {
                        world.close(&mut course, Who::Signaller);
                        Saying::Look(Sight::Open)
                    }
                }
            }
            Saying::Said(_) => {
                world.signaller.as_mut().unwrap().pulse = Pulse::Ending;
                return Some(world);
            }
        };
        let signaller = world.signaller.as_mut().unwrap();
        (signaller.saying, signaller.course) = (saying, course);
        Some(world)
    }

    /// What a signaller makes of what it sees (`Saying::step`).
    fn say_next(&self, sight: Sight, word: Announcement) -> World {
        let mut world = self.clone();
        let signaller = world.signaller.as_mut().unwrap();
        let mut publish = |corpse| {
            signaller.course = Course {
                other: corpse,
                ..Course::default()
            };
            Saying::Publish
        };
        signaller.saying = match sight {
            Sight::Nothing => publish(None),
            Sight::Seen(file, text, evidence) => {
                let life = Life::judge(Tombstone::parse(&text), evidence, WriteState::Ongoing);
                let ready = life.is_alive() && life.tombstone.ready.is_some();
                match life.liveness {
                    Liveness::Alive(_) if ready && word == Announcement::Ready => {
                        Saying::Said(false)
                    }
                    Liveness::Alive(_) => Saying::OpenToAppend(file),
                    Liveness::Dead(_) if self.kernel.files[file].lock.is_some() => {
                        Saying::Said(false)
                    }
                    Liveness::Dead(Death::Recorded(0)) if word == Announcement::Died(0) => {
                        Saying::Said(false)
                    }
                    Liveness::Dead(_) => publish(Some(file)),
                    Liveness::Unsettled => Saying::Look(Sight::Open),
                }
            }
            other => Saying::Look(other),
        };
        world
    }
}
