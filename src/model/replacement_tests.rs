//! A life that replaces its own tombstone, because its command went down and will be started again.
//!
//! The story begins with a leader that was born, so that only the replacement and what comes after it is
//! walked through; births are the business of the tests in [`super`].

use super::publish::{Deed, LEADER};
use super::replacement::REPLACEMENT;
use super::world::{Lapse, Setup};
use super::{breaks, holds, setup};
use crate::store::announce::Announcement;

/// A supervisor whose command is ready, and goes down and is ready again as often as `times` says.
fn restarting(times: usize) -> Vec<Deed> {
    let end = place_of(Deed::ReadOwn, LEADER);
    let mut deeds = LEADER[..end].to_vec();
    deeds.push(Deed::WriteReady);
    for _ in 0..times {
        deeds.extend_from_slice(REPLACEMENT);
        deeds.push(Deed::WriteReady);
    }
    deeds.extend_from_slice(&LEADER[end..]);
    deeds
}

fn place_of(deed: Deed, deeds: &[Deed]) -> usize {
    deeds.iter().position(|other| *other == deed).unwrap()
}

/// The story of `leader`, from where its command has gone down.
fn story(leader: Vec<Deed>) -> Setup {
    Setup {
        begun: place_of(Deed::ReadOld, &leader),
        leader,
        ..setup()
    }
}

fn replacing(times: usize) -> Setup {
    story(restarting(times))
}

/// One whose command does not become ready again: the shortest life with a replacement.
fn replacing_last_of_all() -> Setup {
    let mut leader = restarting(1);
    let again = leader.iter().rposition(|deed| *deed == Deed::WriteReady);
    leader.remove(again.unwrap());
    story(leader)
}

/// With a signaller, who may come before the command was ready: only then can it find the life not ready,
/// and say so when that is being taken back.
fn signalled(word: Announcement) -> Setup {
    let mut setup = Setup {
        signaller: Some(word),
        follower: false,
        ..replacing(1)
    };
    setup.begun = place_of(Deed::WriteReady, &setup.leader);
    setup
}

/// The same with the first `deed` of the replacement at another place: before `other`.
fn early(deed: Deed, other: Deed) -> Vec<Deed> {
    let mut leader = restarting(1);
    leader.remove(place_of(deed, &leader));
    let begun = place_of(Deed::ReadOld, &leader);
    let place = begun + place_of(other, &leader[begun..]);
    leader.insert(place, deed);
    leader
}

#[test]
fn a_follower_hears_of_the_end_of_a_life_that_replaces_its_tombstone_and_not_before() {
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
            next_lives_on: false,
            ..replacing(1)
        },
    );
    holds(
        "leader that replaces, newcomer, follower",
        &Setup {
            leaders: 2,
            ..replacing_last_of_all()
        },
    );
}

#[test]
fn what_a_signaller_says_survives_the_replacement() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        for tear in [0, 2] {
            holds(
                &format!("leader that replaces, signaller ({word:?}), writes torn by {tear}"),
                &Setup {
                    tear,
                    ..signalled(word)
                },
            );
        }
    }
    holds(
        "leader that replaces, newcomer, signaller",
        &Setup {
            leaders: 2,
            ..signalled(Announcement::Died(0))
        },
    );
}

#[test]
fn what_a_signaller_says_during_a_replacement_reaches_the_follower() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        holds(
            &format!("leader that replaces, signaller ({word:?}), follower"),
            &Setup {
                signaller: Some(word),
                ..replacing_last_of_all()
            },
        );
    }
}

#[test]
fn an_old_file_not_read_again_swallows_a_word() {
    let mut leader = restarting(1);
    leader.retain(|deed| !matches!(deed, Deed::ReadOldAgain | Deed::CarryOver));
    for word in [Announcement::Died(0), Announcement::Ready] {
        breaks(
            "old file not read again",
            "lost with the tombstone",
            &Setup {
                leader: leader.clone(),
                ..signalled(word)
            },
        );
    }
}

#[test]
fn an_old_file_read_again_before_the_rename_swallows_a_word() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        breaks(
            "old file read again before the rename",
            "lost with the tombstone",
            &Setup {
                leader: early(Deed::ReadOldAgain, Deed::Rename),
                ..signalled(word)
            },
        );
    }
}

#[test]
fn an_old_file_closed_before_its_successor_stands_there_is_seen_unlocked() {
    for other in [Deed::LockNursery, Deed::Rename] {
        breaks(
            &format!("old file closed before {other:?}"),
            "unlocked",
            &story(early(Deed::CloseOld, other)),
        );
    }
}

#[test]
fn a_successor_that_is_not_locked_is_seen_unlocked() {
    let mut leader = restarting(1);
    let lock = leader.iter().rposition(|deed| *deed == Deed::LockNursery);
    leader.remove(lock.unwrap());
    breaks("successor not locked", "unlocked", &story(leader));
}

#[test]
fn a_free_lock_believed_of_a_file_that_was_replaced_is_no_death() {
    breaks(
        "name not compared before lost is believed",
        "which goes on",
        &Setup {
            lapse: Some(Lapse::NoCompareBeforeLost),
            ..replacing(1)
        },
    );
}

#[test]
fn a_death_believed_of_a_file_that_was_replaced_may_be_none() {
    breaks(
        "name not compared before Died is believed",
        "which goes on",
        &Setup {
            signaller: Some(Announcement::Died(0)),
            lapse: Some(Lapse::NoCompareBeforeDied),
            ..replacing_last_of_all()
        },
    );
}

#[test]
fn a_word_not_compared_after_it_was_said_may_be_lost_on_a_replaced_file() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        breaks(
            "name not compared after the append",
            "never stood",
            &Setup {
                lapse: Some(Lapse::NoCompareAfterSaying),
                ..signalled(word)
            },
        );
    }
}

#[test]
fn a_death_record_of_which_half_counts_as_seen_is_carried_over_by_halves() {
    breaks(
        "half a record counts as seen",
        "half written",
        &Setup {
            tear: 2,
            lapse: Some(Lapse::SplitRecord),
            ..signalled(Announcement::Died(0))
        },
    );
}

/// The one thing that is known and left: the word goes with the life that it was said to, which is lost.
#[test]
fn only_a_leader_killed_between_the_rename_and_the_carrying_over_takes_a_word_with_it() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        breaks(
            "leader killed before it carries over",
            "lost with the tombstone",
            &Setup {
                strict: true,
                ..signalled(word)
            },
        );
    }
}
