//! SECURITY.md names a test for each promise, and each of these tests exists.

use super::read;
use crate::support::sandbox::repository;

/// Where the file of a test can be, `{}` being its module path with slashes.
const PLACES: [&str; 4] = [
    "tests/it/{}.rs",
    "tests/containers/{}.rs",
    "src/{}.rs",
    "src/{}/tests.rs",
];

#[test]
fn every_promise_names_a_test_that_exists() {
    let page = read("SECURITY.md");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.filter(|row| row.contains("::")).collect();
    assert!(rows.len() > 20, "{} rows with tests", rows.len());
    for row in rows {
        for name in row.split('`').skip(1).step_by(2) {
            if name.contains("::") {
                assert!(is_test(name), "{name} of SECURITY.md does not exist");
            }
        }
    }
}

#[test]
fn every_row_of_the_threat_model_names_a_test_or_says_that_nothing_prevents_it() {
    let page = read("SECURITY.md");
    let mut in_table = false;
    for line in page.lines() {
        let is_row = line.starts_with('|');
        if is_row && in_table && !line.starts_with("|--") {
            let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or("");
            let is_named = last.contains("::") || last.contains("not prevented");
            assert!(is_named, "no test in the row {line}");
        }
        in_table = is_row && (in_table || line.ends_with("| test |"));
    }
}

fn is_test(name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else {
        return false;
    };
    let path = module.replace("::", "/");
    let declaration = format!("fn {function}(");
    PLACES.iter().any(|place| {
        let file = repository().join(place.replace("{}", &path));
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.contains(&declaration)
    })
}
