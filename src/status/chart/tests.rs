use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::tombstone::Tombstone;

const LOCK: &str = "Lock: fcntl b 8:1 131\n";

/// A life whose times are seconds of one minute.
fn life(text: &str, lock: LockState) -> Life {
    let mut full = String::new();
    for line in text.split(' ') {
        let (key, value) = line.split_once(':').unwrap();
        match value.parse::<u32>() {
            Ok(second) if key != "ExitCode" => {
                full.push_str(&format!("{key}: {}\n", time(second)));
            }
            _ => full.push_str(&format!("{key}: {value}\n")),
        }
    }
    let tombstone = Tombstone::parse(format!("{LOCK}{full}").as_bytes());
    Life::judge(tombstone, lock, WriteState::Settled)
}

fn time(second: u32) -> String {
    format!("2026-01-01T00:00:{second:02}Z")
}

fn at(second: u32) -> SystemTime {
    Timestamp::from_text(time(second)).to_system_time().unwrap()
}

fn frame(width: usize, second: u32) -> Frame {
    Frame {
        width,
        height: None,
        limit: None,
        colour: false,
        now: at(second),
    }
}

fn chart(lives: &[(&str, &str, LockState)]) -> Chart {
    let mut chart = Chart::default();
    for (name, text, lock) in lives {
        let name = Name::from_file_name(name).unwrap();
        chart.take(&name, Some(&life(text, *lock)), None);
    }
    chart
}

const HELD: LockState = LockState::Held;

#[test]
fn each_life_has_a_row_with_its_stages_and_what_it_is_now() {
    let chart = chart(&[
        ("db", "Waiting:0 Born:5 Ready:10", HELD),
        ("job", "Waiting:0 Born:10 Ready:10 ExitCode:3 Died:30", HELD),
        (
            "proxy",
            "Waiting:5 Born:10 Ready:10 Cause:job CauseLife:0",
            HELD,
        ),
        ("slow", "Waiting:20", HELD),
        ("gone", "Waiting:0 Born:10 Ready:10", LockState::Released),
    ]);
    let expected = "\
\x20      2026-01-01T00:00:00.000Z        +40.000s
db     .....-----==============================  ready
gone   ..........=?????????????????????????????  lost 137
job    ..........====================|           failed 3
proxy       .....====================~~~~~~~~~~  stopping
slow                       ....................  waiting
";
    let drawn = chart.draw(frame(59, 40));
    assert_eq!(drawn, format!("{expected}{LEGEND}\n"));
}

#[test]
fn a_chart_ends_with_the_last_death_and_is_as_wide_as_its_frame() {
    let chart = chart(&[("a", "Waiting:0 Born:1 Ready:1 ExitCode:0 Died:30", HELD)]);
    for width in [40, 80, 200] {
        let drawn = chart.draw(frame(width, 59));
        let row = drawn.lines().nth(1).unwrap();
        // The label is narrower than its room.
        assert_eq!(row.chars().count(), width - LABEL_WIDTH + "ok 0".len());
        assert!(row.ends_with("=|  ok 0"), "{row:?}");
        assert!(drawn.lines().next().unwrap().ends_with(" +30.000s"));
    }
}

#[test]
fn what_was_seen_dates_what_the_tombstone_does_not() {
    let mut chart = chart(&[("a", "Waiting:0 Born:0 Ready:0", HELD)]);
    let name = Name::new("a").unwrap();
    let lost = life("Waiting:0 Born:0 Ready:0", LockState::Released);
    chart.take(&name, Some(&lost), Some(at(20)));
    // Later scans see the same.
    chart.take(&name, Some(&lost), Some(at(50)));
    let drawn = chart.draw(frame(35, 59));
    assert!(drawn.contains("=|  lost 137\n"), "{drawn}");
    assert!(drawn.contains("+20.000s"), "{drawn}");
    chart.take(&name, None, Some(at(51)));
    assert!(!chart.draw(frame(35, 59)).contains("lost"));
}

#[test]
fn names_and_times_of_others_do_not_break_the_chart() {
    let long = "n".repeat(255);
    let chart = chart(&[
        ("a\u{1b}[2Jb", "Waiting:5 Born:59 Ready:0", HELD),
        (&long, "Waiting:5 Born:6", HELD),
    ]);
    for width in [0, 1, 20, 80] {
        let drawn = chart.draw(frame(width, 10));
        assert!(!drawn.contains('\u{1b}'), "{drawn:?}");
        let rows = drawn.lines().filter(|line| !line.contains("waiting  -"));
        let widest = rows.map(|line| line.chars().count()).max();
        assert!(widest <= Some(width.max(45)), "{width}: {drawn}");
    }
    assert!(Chart::default().draw(frame(80, 0)).ends_with("unknown\n"));
}

#[test]
fn rows_without_room_are_counted() {
    let lives: Vec<String> = (0..9).map(|at| format!("n{at}")).collect();
    let lives: Vec<_> = lives
        .iter()
        .map(|name| (name.as_str(), "Waiting:0", HELD))
        .collect();
    let mut frame = frame(80, 5);
    frame.height = Some(5);
    let drawn = chart(&lives).draw(frame);
    assert_eq!(drawn.lines().count(), 4);
    assert!(drawn.ends_with("and 7 more lives, for which there is no room\n"));
}

#[test]
fn a_colour_begins_with_each_stage_and_ends_with_the_bar() {
    assert_eq!(painted("..==", false), "..==");
    assert_eq!(
        painted(" ..=| ", true),
        "\u{1b}[m \u{1b}[33m..\u{1b}[32m=\u{1b}[31m|\u{1b}[m \u{1b}[m"
    );
}

#[test]
fn no_line_is_longer_than_the_limit_and_each_ends_with_its_own_colours() {
    let chart = chart(&[("\u{6f22}\u{5b57}", "Waiting:0", HELD)]);
    let mut frame = frame(80, 5);
    (frame.limit, frame.colour) = (Some(12), true);
    let drawn = chart.draw(frame);
    let expected = "\
\u{20}   2026-01-
\u{6f22}\u{5b57}  \u{1b}[33m......\u{1b}[m
. waiting  -
";
    assert_eq!(drawn, expected);
}
