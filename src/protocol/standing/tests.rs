//! Every history of a few tries, against the rules in words.

use super::*;
use std::time::SystemTime;

const RESULTS: [TryResult; 4] = [
    TryResult::Success,
    TryResult::Status(503),
    TryResult::Refused,
    TryResult::Silent(Silence::TimedOut),
];

fn wall_clock() -> Timestamp {
    Timestamp::from_system_time(SystemTime::UNIX_EPOCH)
}

fn is_answer(result: TryResult) -> bool {
    matches!(result, TryResult::Success | TryResult::Status(_))
}

/// Tries that finish one each second.
fn standing(history: &[TryResult]) -> SourceStanding {
    let mut now = Instant::now();
    let mut standing = SourceStanding::default();
    for result in history {
        standing.note(*result, now, wall_clock);
        now += Duration::from_secs(1);
    }
    standing
}

/// The rules, said with the whole history in view.
fn is_dead(history: &[TryResult]) -> bool {
    let Some(last_answer) = history.iter().rposition(|result| is_answer(*result)) else {
        return false;
    };
    let since = &history[last_answer + 1..];
    let refused = since
        .windows(3)
        .any(|three| three.iter().all(|result| *result == TryResult::Refused));
    refused || since.len() >= 10
}

#[test]
fn every_history_is_judged_by_the_rules() {
    let mut histories: Vec<Vec<TryResult>> = vec![Vec::new()];
    for _ in 0..9 {
        let longer = |history: &Vec<TryResult>| {
            RESULTS.map(|result| [history.as_slice(), &[result]].concat())
        };
        let extended: Vec<_> = histories.iter().flat_map(longer).collect();
        for history in &extended {
            let standing = standing(history);
            assert_eq!(standing.last(), history.last().copied());
            assert_eq!(standing.holds(), history.ends_with(&[TryResult::Success]));
            assert_eq!(
                standing.has_answered(),
                history.iter().any(|r| is_answer(*r))
            );
            let dead = standing.dead_since().is_some();
            assert_eq!(dead, is_dead(history), "{history:?}");
        }
        histories = extended;
    }
}

#[test]
fn ten_seconds_of_silence_are_a_death_and_nine_are_none() {
    for silence in [Silence::TimedOut, Silence::NoName, Silence::System(11)] {
        let silent = TryResult::Silent(silence);
        for answer in [TryResult::Success, TryResult::Status(503)] {
            let mut history = vec![answer];
            history.extend([silent; 9]);
            assert_eq!(standing(&history).dead_since(), None);
            history.push(silent);
            assert!(standing(&history).dead_since().is_some());
            history.push(answer);
            assert_eq!(standing(&history).dead_since(), None);
        }
    }
}

#[test]
fn a_limit_of_this_process_is_no_death_and_ends_no_row_of_refusals() {
    let untried = TryResult::Untried(24);
    let mut history = vec![TryResult::Success];
    history.extend([untried; 60]);
    assert_eq!(standing(&history).dead_since(), None);
    assert!(!standing(&history).holds());
    history.extend([TryResult::Refused, untried, TryResult::Refused]);
    assert_eq!(standing(&history).dead_since(), None);
    history.push(TryResult::Refused);
    assert!(standing(&history).dead_since().is_some());
}

#[test]
fn a_silence_without_tries_is_no_death() {
    let mut standing = SourceStanding::default();
    let start = Instant::now();
    standing.note(TryResult::Success, start, wall_clock);
    // The machine slept for an hour, or this process was stopped.
    for tries in 1..=8 {
        let now = start + Duration::from_secs(3600 + tries);
        standing.note(TryResult::Silent(Silence::TimedOut), now, wall_clock);
        assert_eq!(standing.dead_since(), None);
    }
    let now = start + Duration::from_secs(3610);
    standing.note(TryResult::Silent(Silence::TimedOut), now, wall_clock);
    assert!(standing.dead_since().is_some());
}

#[test]
fn a_death_keeps_its_time_until_an_answer() {
    fn later() -> Timestamp {
        Timestamp::from_text("later".to_owned())
    }
    let now = Instant::now();
    let mut standing = SourceStanding::default();
    standing.note(TryResult::Success, now, wall_clock);
    for _ in 0..3 {
        standing.note(TryResult::Refused, now, wall_clock);
    }
    let died = standing.dead_since().cloned();
    assert_eq!(died, Some(wall_clock()));
    standing.note(TryResult::Refused, now, later);
    assert_eq!(standing.dead_since(), died.as_ref());
    standing.note(TryResult::Success, now, later);
    for _ in 0..3 {
        assert_eq!(standing.dead_since(), None);
        standing.note(TryResult::Refused, now, later);
    }
    assert_eq!(standing.dead_since(), Some(&later()));
}
