//! The protocol as a model, walked through in every order in which things can happen.
//!
//! A tiny world: one directory, supervisors ("leaders") that are born, live and die under one name, a
//! signaller, a follower that waits for a death, and a kernel that delivers events. Whoever runs takes
//! one system call at a time, and anybody can be next. A leader can be killed before each of its calls; with
//! `next_lives_on` only the first one can, and a signaller is never killed, to keep the worlds few. A leader may
//! replace its own tombstone when its command goes down: [`replacement_tests`] tells of that.
//!
//! [`world`] says who is there, [`publish`] and [`replacement`] have the steps of whoever makes a tombstone,
//! [`leader`], [`signaller`] and [`follower`] what each of them does, [`kernel`] what they share, [`explore`] the
//! promises.
//!
//! Each promise is worth as much as the steps that it needs: so for every step there is a variant of the
//! protocol without it, and a test that shows the shortest way to the promise that breaks.
//! `cargo test --lib model -- --nocapture` prints these ways, and how many worlds were seen.
//!
//! Not in the model: tombstones removed by hand, full disks, kubexit's files, time. Locks and inodes are those of
//! one machine. The slow look can come at any time, and is there only where events are dropped: anywhere
//! else the promises hold without it.

mod explore;
mod follower;
mod kernel;
mod leader;
mod publish;
mod replacement;
mod replacement_tests;
mod signaller;
mod world;

use crate::store::announce::Announcement;
use explore::explore;
use publish::{Deed, LEADER};
use world::{Lapse, Setup};

fn setup() -> Setup {
    Setup {
        leaders: 1,
        leader: LEADER.to_vec(),
        begun: 0,
        next_lives_on: true,
        signaller: None,
        follower: true,
        noise: 0,
        queue_limit: 16,
        tear: 0,
        blind: false,
        foreign: false,
        strict: false,
        lapse: None,
    }
}

fn lapse(lapse: Lapse) -> Setup {
    Setup {
        lapse: Some(lapse),
        ..setup()
    }
}

/// The leaders' deeds in another order.
fn leader_with(edit: impl Fn(&mut Vec<Deed>)) -> Vec<Deed> {
    let mut deeds = LEADER.to_vec();
    edit(&mut deeds);
    deeds
}

fn without(deed: Deed) -> impl Fn(&mut Vec<Deed>) {
    move |deeds| deeds.retain(|other| *other != deed)
}

fn holds(what: &str, setup: &Setup) {
    let found = explore(setup);
    println!("{what}: {} states, {} ends", found.states, found.ends);
    if let Some((fault, trace)) = found.fault {
        for (who, what) in trace {
            println!("    {who:?}: {what}");
        }
        panic!("{what}: {fault}");
    }
    assert!(found.ends > 0, "{what}: the story has no end");
}

/// Without this step of the protocol a promise breaks.
fn breaks(what: &str, promise: &str, setup: &Setup) {
    let found = explore(setup);
    let (fault, trace) = found.fault.unwrap_or_else(|| {
        panic!("{what}: every promise holds in {} states", found.states);
    });
    println!("{what}: {fault}, found in {} states:", found.states);
    for (who, what) in trace {
        println!("    {who:?}: {what}");
    }
    assert!(fault.contains(promise), "{what}: {fault}");
}

#[test]
fn a_follower_hears_of_a_leader_that_may_be_killed_at_any_step() {
    holds("leader, follower", &setup());
}

#[test]
fn a_follower_hears_of_the_end_though_the_next_life_begins_at_once() {
    holds(
        "two leaders, follower",
        &Setup {
            leaders: 2,
            ..setup()
        },
    );
}

#[test]
fn of_leaders_that_begin_at_once_never_two_live() {
    holds(
        "two leaders",
        &Setup {
            leaders: 2,
            follower: false,
            next_lives_on: false,
            ..setup()
        },
    );
}

#[test]
fn what_a_signaller_says_reaches_the_follower() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        holds(
            &format!("leader, signaller ({word:?}), follower"),
            &Setup {
                signaller: Some(word),
                ..setup()
            },
        );
    }
}

#[test]
fn what_a_signaller_says_stands_under_the_name_though_lives_come_and_go() {
    for word in [Announcement::Died(0), Announcement::Ready] {
        holds(
            &format!("two leaders, signaller ({word:?})"),
            &Setup {
                leaders: 2,
                signaller: Some(word),
                follower: false,
                next_lives_on: true,
                ..setup()
            },
        );
    }
}

#[test]
fn a_full_queue_swallows_no_death() {
    let full = Setup {
        noise: 2,
        queue_limit: 1,
        ..setup()
    };
    holds("leader, follower, full queue", &full);
    breaks(
        "the overflow ignored",
        "asleep for ever",
        &Setup {
            lapse: Some(Lapse::IgnoreOverflow),
            ..full
        },
    );
}

#[test]
fn where_events_are_dropped_the_slow_look_finds_the_death() {
    let blind = Setup {
        blind: true,
        ..setup()
    };
    holds("leader, follower, events dropped", &blind);
    breaks(
        "no slow look",
        "asleep for ever",
        &Setup {
            lapse: Some(Lapse::NoSlowLook),
            ..blind
        },
    );
}

#[test]
fn a_lock_that_does_not_cross_the_mount_is_no_death() {
    let foreign = Setup {
        leaders: 2,
        blind: true,
        foreign: true,
        ..setup()
    };
    holds("two leaders, follower behind a mount", &foreign);
    breaks(
        "a free lock believed wherever it was taken",
        "which goes on",
        &Setup {
            lapse: Some(Lapse::TrustForeignLocks),
            ..foreign
        },
    );
}

#[test]
fn a_scan_before_the_watch_is_armed_misses_a_death() {
    breaks(
        "scan before arm",
        "asleep for ever",
        &lapse(Lapse::ScanBeforeArm),
    );
}

#[test]
fn a_lock_taken_after_publication_is_missed_by_a_reader() {
    let leader = leader_with(|deeds| {
        deeds.retain(|deed| *deed != Deed::LockNursery);
        let rename = deeds.iter().position(|deed| *deed == Deed::Rename).unwrap();
        deeds.insert(rename + 1, Deed::LockNursery);
    });
    breaks(
        "lock after publication",
        "unlocked",
        &Setup { leader, ..setup() },
    );
}

#[test]
fn a_tombstone_filled_after_publication_is_seen_half_written() {
    let leader = leader_with(|deeds| {
        deeds.retain(|deed| *deed != Deed::Fill);
        let rename = deeds.iter().position(|deed| *deed == Deed::Rename).unwrap();
        deeds.insert(rename + 1, Deed::Fill);
    });
    breaks(
        "filled after publication",
        "half-written",
        &Setup { leader, ..setup() },
    );
}

#[test]
fn died_anywhere_but_at_the_end_commits_half_a_record() {
    let leader = leader_with(|deeds| {
        let last = deeds.last_mut().unwrap();
        *last = Deed::WriteDeathDiedFirst;
    });
    breaks(
        "Died not last",
        "half written",
        &Setup { leader, ..setup() },
    );
}

#[test]
fn a_free_lock_without_a_second_read_calls_an_orderly_end_lost() {
    breaks("no second read", "in order", &lapse(Lapse::NoReadAgain));
}

#[test]
fn a_name_checked_before_the_nursery_is_ours_is_taken_twice() {
    let leader = leader_with(|deeds| {
        deeds.retain(|deed| !matches!(deed, Deed::OpenName | Deed::AskNameLock));
        deeds.splice(0..0, [Deed::OpenName, Deed::AskNameLock]);
    });
    breaks(
        "name checked before the nursery is locked",
        "two lives",
        &Setup {
            leaders: 2,
            leader,
            follower: false,
            next_lives_on: false,
            ..setup()
        },
    );
}

#[test]
fn a_name_not_checked_is_taken_twice() {
    breaks(
        "name not checked",
        "two lives",
        &Setup {
            leaders: 2,
            leader: leader_with(without(Deed::AskNameLock)),
            follower: false,
            next_lives_on: false,
            ..setup()
        },
    );
}

#[test]
fn a_nursery_not_compared_after_locking_may_be_a_published_tombstone() {
    breaks(
        "descriptor and name not compared",
        "",
        &Setup {
            leaders: 2,
            leader: leader_with(without(Deed::CompareNursery)),
            ..setup()
        },
    );
}

#[test]
fn an_event_is_only_a_rumour() {
    breaks(
        "IN_CLOSE_WRITE taken for a death",
        "which goes on",
        &Setup {
            signaller: Some(Announcement::Ready),
            lapse: Some(Lapse::TrustEvents),
            ..setup()
        },
    );
}

#[test]
fn a_lock_dropped_after_the_event_leaves_the_follower_asleep() {
    breaks(
        "lock dropped after the event",
        "asleep for ever",
        &lapse(Lapse::UnlockAfterEvent),
    );
}

#[test]
fn a_word_not_compared_after_it_was_said_may_be_lost_on_a_corpse() {
    breaks(
        "name not compared after the append",
        "never stood",
        &Setup {
            leaders: 2,
            signaller: Some(Announcement::Died(0)),
            follower: false,
            next_lives_on: true,
            lapse: Some(Lapse::NoCompareAfterSaying),
            ..setup()
        },
    );
}
