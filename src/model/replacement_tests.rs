//! A life that replaces its own tombstone, because its command went down and will be started again.
//!
//! A world begins with a leader that is born already, so that the search covers only the
//! replacement and what comes after it. The tests in [`super::tests`] cover births.

use super::check::{breaks, holds};
use super::setup::{Killable, Mutation, Setup};
use super::steps::{LEADER, Program, REPLACEMENT, Step};
use crate::store::announce::Announcement;

const ANNOUNCEMENTS: [Announcement; 2] = [Announcement::Died(0), Announcement::Ready];

/// A leader whose command becomes ready, goes down, and becomes ready again after each replacement.
fn restarting(replacements: &[Program]) -> Program {
    let (born, end) = birth_and_end();
    let ready = Program::new(born).then(&[Step::WriteReady]);
    let life = replacements.iter().fold(ready, |life, replacement| {
        life.then(replacement.steps()).then(&[Step::WriteReady])
    });
    life.then(end)
}

/// A leader whose command does not become ready again: the shortest life with a replacement.
fn not_ready_again() -> Program {
    let (born, end) = birth_and_end();
    Program::new(born)
        .then(&[Step::WriteReady])
        .then(REPLACEMENT)
        .then(end)
}

/// The program of a leader until its command is started, and from the command's end.
fn birth_and_end() -> (&'static [Step], &'static [Step]) {
    LEADER.split_at(Program::new(LEADER).position_of(Step::ReadOwn))
}

fn replacement() -> Program {
    Program::new(REPLACEMENT)
}

/// A world with this leader that begins when its command has gone down.
fn down(program: Program) -> Setup {
    Setup {
        steps_taken: program.position_of(Step::ReadOld),
        program,
        ..Setup::default()
    }
}

fn replacing(times: usize) -> Setup {
    down(restarting(&vec![replacement(); times]))
}

/// With a signaller that may come before the command is ready. Only then can it find a life that is
/// not ready, and announce readiness while the leader takes it back.
fn signalled(announcement: Announcement, replacement: Program) -> Setup {
    let program = restarting(&[replacement]);
    Setup {
        signaller: Some(announcement),
        follower: false,
        steps_taken: program.position_of(Step::WriteReady),
        program,
        ..Setup::default()
    }
}

#[test]
fn a_follower_learns_of_the_end_of_a_life_that_replaces_its_tombstone_and_not_earlier() {
    for times in [1, 2] {
        holds(
            &format!("leader that replaces {times} times, follower"),
            &replacing(times),
        );
    }
}

#[test]
fn a_newcomer_waits_or_is_refused_while_a_life_replaces_its_tombstone() {
    holds(
        "leader that replaces, newcomer that may be killed",
        &Setup {
            leaders: 2,
            follower: false,
            killable: Killable::LeadersAndSignaller,
            ..replacing(1)
        },
    );
    holds(
        "leader that replaces, newcomer, follower",
        &Setup {
            leaders: 2,
            ..down(not_ready_again())
        },
    );
}

#[test]
fn a_signallers_record_survives_the_replacement() {
    for announcement in ANNOUNCEMENTS {
        for tear in [0, 2] {
            holds(
                &format!(
                    "leader that replaces, signaller ({announcement:?}), writes torn by {tear}"
                ),
                &Setup {
                    tear,
                    ..signalled(announcement, replacement())
                },
            );
        }
    }
    holds(
        "leader that replaces, newcomer, signaller",
        &Setup {
            leaders: 2,
            ..signalled(Announcement::Died(0), replacement())
        },
    );
}

#[test]
fn a_signallers_record_written_during_a_replacement_reaches_the_follower() {
    for announcement in ANNOUNCEMENTS {
        holds(
            &format!("leader that replaces, signaller ({announcement:?}), follower"),
            &Setup {
                signaller: Some(announcement),
                ..down(not_ready_again())
            },
        );
    }
}

#[test]
fn an_old_file_not_read_again_loses_a_record() {
    let replacement = replacement()
        .without(Step::ReadOldAgain)
        .without(Step::CarryOver);
    for announcement in ANNOUNCEMENTS {
        breaks(
            "old file not read again",
            "lost with the tombstone",
            &signalled(announcement, replacement.clone()),
        );
    }
}

#[test]
fn an_old_file_read_again_before_the_rename_loses_a_record() {
    for announcement in ANNOUNCEMENTS {
        breaks(
            "old file read again before the rename",
            "lost with the tombstone",
            &signalled(
                announcement,
                replacement().moved_before(Step::ReadOldAgain, Step::Rename),
            ),
        );
    }
}

#[test]
fn an_old_file_closed_before_the_rename_leaves_the_tombstone_unlocked() {
    for other in [Step::LockStaging, Step::Rename] {
        let replacement = replacement().moved_before(Step::CloseOld, other);
        breaks(
            &format!("old file closed before {other:?}"),
            "unlocked",
            &down(restarting(&[replacement])),
        );
    }
}

#[test]
fn a_successor_that_is_not_locked_is_visible_unlocked() {
    let replacement = replacement().without(Step::LockStaging);
    breaks(
        "successor not locked",
        "unlocked",
        &down(restarting(&[replacement])),
    );
}

#[test]
fn a_released_lock_of_a_file_that_was_replaced_is_no_death() {
    breaks(
        "name not compared before lost is reported",
        "goes on",
        &replacing(1).with_mutation(Mutation::NoCompareBeforeLost),
    );
}

#[test]
fn a_recorded_death_in_a_file_that_was_replaced_may_be_none() {
    breaks(
        "name not compared before Died is reported",
        "goes on",
        &Setup {
            signaller: Some(Announcement::Died(0)),
            ..down(not_ready_again()).with_mutation(Mutation::NoCompareBeforeDied)
        },
    );
}

#[test]
fn a_name_not_compared_after_an_append_loses_the_record_on_a_replaced_file() {
    for announcement in ANNOUNCEMENTS {
        breaks(
            "name not compared after the append",
            "never visible",
            &signalled(announcement, replacement()).with_mutation(Mutation::NoCompareAfterAppend),
        );
    }
}

#[test]
fn a_death_record_that_is_half_accounted_for_is_carried_over_by_halves() {
    breaks(
        "half a record is accounted for",
        "half written",
        &Setup {
            tear: 2,
            ..signalled(Announcement::Died(0), replacement()).with_mutation(Mutation::SplitRecord)
        },
    );
}

/// A follower that saw the life only before it replaced its tombstone holds the old file, and the
/// next life has the name.
fn with_next_life(program: Program) -> Setup {
    Setup {
        leaders: 2,
        ..down(program)
    }
}

#[test]
fn an_old_file_that_does_not_say_that_it_was_replaced_makes_an_orderly_end_lost() {
    let program = not_ready_again().without(Step::MarkReplaced);
    breaks("old file not marked", "in order", &with_next_life(program));
}

#[test]
fn without_the_list_of_earlier_lives_an_orderly_end_in_another_file_is_lost() {
    breaks(
        "Past not read",
        "in order",
        &with_next_life(not_ready_again()).with_mutation(Mutation::NoPast),
    );
}

/// A known limitation: the record is lost together with the life that it is about.
#[test]
fn only_a_leader_killed_between_the_rename_and_the_carrying_over_loses_a_record() {
    for announcement in ANNOUNCEMENTS {
        breaks(
            "leader killed before it carries over",
            "lost with the tombstone",
            &Setup {
                no_excuse: true,
                ..signalled(announcement, replacement())
            },
        );
    }
}
