//! Lives that do not replace their tombstone.

use super::check::{breaks, holds};
use super::setup::{Killable, Mutation, Setup};
use super::steps::{LEADER, Program, Step};
use crate::store::announce::Announcement;

/// One leader, one follower, and a mistake.
fn mutated(mutation: Mutation) -> Setup {
    Setup::default().with_mutation(mutation)
}

/// One leader with another program, and one follower.
fn with_program(program: Program) -> Setup {
    Setup {
        program,
        ..Setup::default()
    }
}

/// Two leaders with this program, both of which can be killed, and no follower.
fn two_leaders(program: Program) -> Setup {
    Setup {
        leaders: 2,
        program,
        follower: false,
        killable: Killable::LeadersAndSignaller,
        ..Setup::default()
    }
}

#[test]
fn a_follower_learns_of_the_death_of_a_leader_that_is_killed_at_any_step() {
    holds("leader, follower", &Setup::default());
}

#[test]
fn a_follower_learns_of_a_death_even_if_the_next_life_begins_at_once() {
    holds(
        "two leaders, follower",
        &Setup {
            leaders: 2,
            ..Setup::default()
        },
    );
}

#[test]
fn two_leaders_that_begin_at_once_are_never_both_alive() {
    holds("two leaders", &two_leaders(Program::new(LEADER)));
}

#[test]
fn a_signallers_record_reaches_the_follower() {
    for announcement in [Announcement::Died(0), Announcement::Ready] {
        holds(
            &format!("leader, signaller ({announcement:?}), follower"),
            &Setup {
                signaller: Some(announcement),
                ..Setup::default()
            },
        );
    }
}

#[test]
fn a_signallers_record_is_visible_under_the_name_while_lives_begin_and_end() {
    for announcement in [Announcement::Died(0), Announcement::Ready] {
        holds(
            &format!("two leaders, signaller ({announcement:?})"),
            &Setup {
                leaders: 2,
                signaller: Some(announcement),
                follower: false,
                ..Setup::default()
            },
        );
    }
}

#[test]
fn a_full_event_queue_hides_no_death() {
    let full = Setup {
        neighbour_writes: 2,
        queue_limit: 1,
        ..Setup::default()
    };
    holds("leader, follower, full queue", &full);
    breaks(
        "the overflow ignored",
        "sleeps for ever",
        &full.with_mutation(Mutation::IgnoreOverflow),
    );
}

#[test]
fn where_events_are_lost_a_rescan_finds_the_death() {
    let lossy = Setup {
        lossy_events: true,
        ..Setup::default()
    };
    holds("leader, follower, events lost", &lossy);
    breaks(
        "no rescan",
        "sleeps for ever",
        &lossy.with_mutation(Mutation::NoRescan),
    );
}

#[test]
fn a_lock_that_does_not_cross_the_mount_is_no_death() {
    let remote = Setup {
        leaders: 2,
        lossy_events: true,
        remote_follower: true,
        ..Setup::default()
    };
    holds("two leaders, follower behind a mount", &remote);
    breaks(
        "a released lock trusted wherever it was taken",
        "goes on",
        &remote.with_mutation(Mutation::TrustRemoteLocks),
    );
}

#[test]
fn a_scan_before_the_watch_is_armed_misses_a_death() {
    breaks(
        "scan before arm",
        "sleeps for ever",
        &mutated(Mutation::ScanBeforeArm),
    );
}

#[test]
fn a_lock_taken_after_publication_leaves_the_tombstone_unlocked() {
    let program = Program::new(LEADER).moved_after(Step::LockStaging, Step::Rename);
    breaks("lock after publication", "unlocked", &with_program(program));
}

#[test]
fn a_tombstone_filled_after_publication_is_visible_half_written() {
    let program = Program::new(LEADER).moved_after(Step::Fill, Step::Rename);
    breaks(
        "filled after publication",
        "half-written",
        &with_program(program),
    );
}

#[test]
fn died_anywhere_but_at_the_end_commits_half_a_record() {
    let program = Program::new(LEADER).without(Step::WriteDeath);
    breaks(
        "Died not last",
        "half written",
        &with_program(program.then(&[Step::WriteDeathDiedFirst])),
    );
}

#[test]
fn without_a_second_read_a_released_lock_makes_an_orderly_end_lost() {
    breaks(
        "no second read",
        "in order",
        &mutated(Mutation::NoReadAgain),
    );
}

#[test]
fn a_name_checked_before_the_staging_file_is_locked_is_taken_twice() {
    let program = Program::new(LEADER)
        .moved_before(Step::OpenName, Step::OpenStaging)
        .moved_after(Step::QueryNameLock, Step::OpenName);
    breaks(
        "name checked before the staging file is locked",
        "two lives",
        &two_leaders(program),
    );
}

#[test]
fn a_name_not_checked_is_taken_twice() {
    breaks(
        "name not checked",
        "two lives",
        &two_leaders(Program::new(LEADER).without(Step::QueryNameLock)),
    );
}

#[test]
fn a_staging_file_not_compared_after_locking_may_be_a_published_tombstone() {
    breaks(
        "descriptor and name not compared",
        "",
        &Setup {
            leaders: 2,
            ..with_program(Program::new(LEADER).without(Step::CompareStaging))
        },
    );
}

#[test]
fn an_event_is_only_a_hint() {
    breaks(
        "IN_CLOSE_WRITE taken for a death",
        "goes on",
        &Setup {
            signaller: Some(Announcement::Ready),
            ..mutated(Mutation::TrustEvents)
        },
    );
}

#[test]
fn a_lock_released_after_the_event_leaves_the_follower_asleep() {
    breaks(
        "lock released after the event",
        "sleeps for ever",
        &mutated(Mutation::UnlockAfterEvent),
    );
}

#[test]
fn a_name_not_compared_after_an_append_loses_the_record_on_a_dead_tombstone() {
    breaks(
        "name not compared after the append",
        "never visible",
        &Setup {
            leaders: 2,
            signaller: Some(Announcement::Died(0)),
            follower: false,
            ..mutated(Mutation::NoCompareAfterAppend)
        },
    );
}
