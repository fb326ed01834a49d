use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::tombstone::Tombstone;

fn shown(text: &str, lock: LockState) -> String {
    let tombstone = Tombstone::parse(text.as_bytes());
    let life = Life::judge(tombstone, lock, WriteState::Settled);
    let text = |step: &LifeStep| {
        let at = step.at.as_ref().map_or("?", Timestamp::as_str);
        format!("{:?}@{at}", step.stage)
    };
    let steps: Vec<String> = steps(&life).iter().map(text).collect();
    steps.join(" ")
}

#[test]
fn the_stages_of_a_life_are_those_that_its_tombstone_records() {
    let begun = "Waiting: 1\nLock: none\n";
    let alive = LockState::Held;
    for (rest, stages) in [
        ("", "Waiting@1"),
        ("Born: 2\n", "Waiting@1 Starting@2"),
        ("Born: 2\nReady: 3\n", "Waiting@1 Starting@2 Ready@3"),
        ("Born: 2\nReady: 2\n", "Waiting@1 Ready@2"),
        ("Inactive: 2\n", "Waiting@1 Inactive@2"),
        ("Born: 2\nCause: db\n", "Waiting@1 Starting@2 Stopping@?"),
        (
            "Born: 2\nReady: 2\nCause: db\nExitCode: 0\nDied: 5\n",
            "Waiting@1 Ready@2 Stopping@? Dead@5",
        ),
        ("Cause: db\nExitCode: 0\nDied: 5\n", "Waiting@1 Dead@5"),
        ("ExitCode: 0\nDied: 5\n", "Waiting@1 Dead@5"),
    ] {
        assert_eq!(shown(&format!("{begun}{rest}"), alive), stages, "{rest}");
    }
    let lost = "Waiting: 1\nLock: fcntl b 8:1 131\nBorn: 2\nReady: 2\n";
    assert_eq!(shown(lost, LockState::Released), "Waiting@1 Ready@2 Dead@?");
}

#[test]
fn a_file_of_another_program_has_stages_too() {
    for (text, stages) in [
        ("", "Dead@?"),
        ("ExitCode: 3\n", "Dead@?"),
        ("Born: 2\n", "Ready@2"),
        ("Waiting: 1\nExitCode: 3\nDied: 1\n", "Dead@1"),
        ("Born: 2\nDied: 3\n", "Ready@2 Dead@3"),
        ("Ready: 2\n", "Waiting@?"),
    ] {
        assert_eq!(shown(text, LockState::Unknown), stages, "{text}");
    }
}
