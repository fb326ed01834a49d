use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::tombstone::Tombstone;

const BEGUN: &str = "Waiting: 2026-01-01T00:00:01Z\nLock: none\nWaitingFor: \"db:ready,job:ok\"\n";
const READY: &str = "Born: 2026-01-01T00:00:02Z\nReady: 2026-01-01T00:00:02Z\n";
const END: &str = "ExitCode: 3\nReason: exited\nDied: 2026-01-01T00:00:03Z\n";

/// What the transitions say about one tombstone after the other, and about none.
struct Watched(Transitions);

impl Watched {
    fn sees(&mut self, ended: &[&str], current: Option<&str>) -> Vec<String> {
        let observation = Observation {
            name: Name::from_file_name("a\u{1b}b").unwrap(),
            ended: ended.iter().map(|text| life(text)).collect(),
            current: current.map(life),
        };
        let now = Timestamp::from_text("2026-01-01T00:00:09.5Z".to_owned());
        let lines = self.0.lines(&observation, now.to_system_time().unwrap());
        self.0.end_scan();
        let name = " a\\u{1b}b ";
        lines
            .lines()
            .map(|line| line.strip_prefix("2026-01-01T00:00:0").unwrap())
            .map(|line| line.replace(name, " ").replace(".000Z", ""))
            .collect()
    }
}

fn life(text: &str) -> Life {
    let lock = match text.contains("Lock: fcntl") {
        true => LockState::Released,
        false => LockState::Unknown,
    };
    Life::judge(Tombstone::parse(text.as_bytes()), lock, WriteState::Settled)
}

fn fresh() -> Watched {
    Watched(Transitions::default())
}

/// After a first scan that has found nothing.
fn begun() -> Watched {
    let mut watched = fresh();
    assert!(watched.sees(&[], None).is_empty());
    watched
}

#[test]
fn a_life_that_is_there_already_is_shown_once_as_it_is_now() {
    let mut watched = fresh();
    let text = format!("{BEGUN}{READY}");
    assert_eq!(watched.sees(&[], Some(&text)), ["2 - ready - -"]);
    assert!(watched.sees(&[], Some(&text)).is_empty());
}

#[test]
fn all_steps_of_a_life_are_shown_however_few_scans_have_seen_it() {
    let texts = [
        BEGUN.to_owned(),
        format!("{BEGUN}{READY}"),
        format!("{BEGUN}{READY}Cause: job\n"),
        format!("{BEGUN}{READY}Cause: job\n{END}"),
    ];
    let expected = [
        "1 - waiting - for db:ready, job:ok",
        "2 waiting ready - -",
        "3 ready born - cause job",
        "3 born failed 3 exited, cause job",
    ];
    for scans in 0..8 {
        let mut watched = begun();
        let mut lines = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            if at == 3 || scans >> at & 1 == 1 {
                lines.extend(watched.sees(&[], Some(text)));
            }
        }
        // A scan that sees the stop begin has no other time for it.
        let lines: Vec<String> = lines
            .iter()
            .map(|line| line.replace("9.500Z", "3"))
            .collect();
        assert_eq!(lines, expected, "{scans:b}");
    }
}

#[test]
fn a_life_without_a_record_of_its_end_was_lost_when_that_was_seen() {
    let mut watched = begun();
    let alive = "Waiting: 2026-01-01T00:00:01Z\nBorn: 2026-01-01T00:00:02Z\n";
    watched.sees(&[], Some(alive));
    let dead = format!("Lock: fcntl b 8:1 131\n{alive}");
    assert_eq!(watched.sees(&[], Some(&dead)), ["9.500Z ready lost 137 -"]);
}

#[test]
fn a_new_life_follows_the_end_of_the_one_before_it() {
    let mut watched = begun();
    let first = format!("{BEGUN}{READY}");
    watched.sees(&[], Some(&first));
    let next = "Waiting: 2026-01-01T00:00:04Z\nLock: none\n";
    assert_eq!(
        watched.sees(&[&format!("{first}{END}")], Some(next)),
        ["3 ready failed 3 exited", "4 failed waiting - -"]
    );
    assert_eq!(watched.sees(&[], None), ["9.500Z waiting - - removed"]);
    assert!(watched.sees(&[], None).is_empty());
}

#[test]
fn a_restart_goes_back_and_one_that_no_scan_has_seen_is_ready_again() {
    let mut watched = begun();
    watched.sees(&[], Some(&format!("{BEGUN}{READY}")));
    let down = format!("{BEGUN}Born: 2026-01-01T00:00:02Z\n");
    assert_eq!(watched.sees(&[], Some(&down)), ["9.500Z ready born - -"]);
    let again = |at| format!("{down}Ready: 2026-01-01T00:00:0{at}Z\n");
    assert_eq!(watched.sees(&[], Some(&again(5))), ["5 born ready - -"]);
    assert_eq!(watched.sees(&[], Some(&again(6))), ["6 ready ready - -"]);
}
