//! The table of what the bytes of the binary are for, which `scripts/sizes --write` writes into
//! DESIGN.md.

use super::{between, read};
use crate::support::sandbox::repository;

/// The table, and the line below it about the features.
fn written() -> String {
    between(&read("DESIGN.md"), "<!-- begin: sizes", "<!-- end: sizes")
}

/// The cells of each row: part, feature, bytes, share.
fn rows(written: &str) -> Vec<Vec<&str>> {
    let lines = written.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = lines.map(|line| line.split('|').map(str::trim).collect());
    rows.skip(1).collect()
}

fn bytes(row: &[&str]) -> u64 {
    row[2].parse().unwrap_or_else(|_| panic!("{row:?}"))
}

#[test]
fn the_parts_of_the_binary_add_up_to_its_size() {
    let written = written();
    let rows = rows(&written);
    assert!(rows.len() > 10, "{written}");
    let total = between(&written, "It has ", " bytes");
    let sum: u64 = rows.iter().map(|row| bytes(row)).sum();
    assert_eq!(sum.to_string(), total);
    let of = |feature| rows.iter().filter(move |row| row[1] == feature);
    for feature in ["managed", "cli"] {
        let sum: u64 = of(feature).map(|row| bytes(row)).sum();
        let said = written
            .lines()
            .find(|line| line.starts_with("Code by feature"));
        let said = said.expect("a line about the features");
        assert!(said.contains(&sum.to_string()), "{feature}: {sum}: {said}");
    }
}

#[test]
fn each_part_of_the_binary_that_is_a_room_exists() {
    let written = written();
    let parts = rows(&written)
        .into_iter()
        .map(|row| row[0].trim_matches('`'));
    let rooms: Vec<&str> = parts.filter(|part| part.starts_with("src/")).collect();
    assert!(rooms.len() > 10, "{written}");
    for room in rooms {
        let path = repository().join(room);
        let expected = if room.ends_with('/') {
            path.is_dir()
        } else {
            path.is_file()
        };
        assert!(expected, "{room} is gone: run scripts/sizes --write");
    }
}
