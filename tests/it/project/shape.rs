//! The shape of the code: how long a file, a function and a line of a comment may be, and that a
//! name means one type.

use super::layering::rust_files;
use crate::support::sandbox::repository;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most lines that a file of src/ may have, without its tests.
const FILE_LIMIT: usize = 400;
/// The most lines that a function may have.
const FUNCTION_LIMIT: usize = 40;
/// Functions that are one total match, which reads best as one table.
const TOTAL_MATCHES: [(&str, &str); 10] = [
    ("model/publish.rs", "result"),
    ("run/messages.rs", "report"),
    ("supervisor/down.rs", "backing_off"),
    ("supervisor/down.rs", "inactive"),
    ("supervisor/down.rs", "waiting"),
    ("supervisor/draining.rs", "draining"),
    ("supervisor/running.rs", "delaying"),
    ("supervisor/running.rs", "running"),
    ("supervisor/stopping.rs", "pre_stopping"),
    ("supervisor/stopping.rs", "stopping"),
];

/// The files of src/ without tests: path below src/, and lines up to the tests.
fn files() -> Vec<(PathBuf, Vec<String>)> {
    let src = repository().join("src");
    let is_test = |path: &Path| path.to_string_lossy().contains("tests");
    let relative = |path: PathBuf| path.strip_prefix(&src).unwrap().to_owned();
    let files = rust_files(&src).into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        (relative(path), code.lines().map(str::to_owned).collect())
    });
    files.filter(|(path, _)| !is_test(path)).collect()
}

/// The name of the function that begins in this line.
fn function_name(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let qualifiers = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "unsafe",
        "extern",
        "\"C\"",
    ];
    let is_function = before
        .split_whitespace()
        .all(|word| qualifiers.contains(&word));
    let name = rest
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    is_function.then_some(name)
}

/// The functions of a file with their lengths in lines, as rustfmt lays them out.
fn functions(lines: &[String]) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let ends_head = |line: &String| line.ends_with(['{', '}', ';']);
        let head = start + lines[start..].iter().position(ends_head).unwrap();
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let body = match lines[head].ends_with('{') {
            true => 1 + lines[head..].iter().position(|line| *line == end).unwrap(),
            // The whole function stands in one line, or it has no body.
            false => 1,
        };
        found.push((name, head - start + body));
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    let files = files();
    let mut count = 0;
    let mut exceptions = Vec::new();
    for (path, lines) in &files {
        assert!(
            lines.len() <= FILE_LIMIT,
            "src/{} has {} lines",
            path.display(),
            lines.len()
        );
        for (name, length) in functions(lines) {
            count += 1;
            if length <= FUNCTION_LIMIT {
                continue;
            }
            let exception = TOTAL_MATCHES
                .into_iter()
                .find(|(file, function)| path.ends_with(file) && *function == name);
            assert!(
                exception.is_some(),
                "src/{}: {name} has {length} lines",
                path.display()
            );
            exceptions.extend(exception);
        }
    }
    assert!(count > 500, "only {count} functions were found");
    exceptions.sort_unstable();
    assert_eq!(exceptions, TOTAL_MATCHES, "an exception that is not needed");
}

#[test]
fn no_two_types_have_one_name() {
    let mut owners: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    // Takes the place of managed/mod.rs in a build without the feature `managed`.
    let is_stand_in = |path: &Path| path.ends_with("managed/absent.rs");
    for (path, lines) in files().into_iter().filter(|(path, _)| !is_stand_in(path)) {
        // An associated type (`type Err`) has the name that its trait gives it.
        for line in lines.iter().filter(|line| !line.starts_with("    type ")) {
            let mut words = line
                .split_whitespace()
                .skip_while(|word| word.starts_with("pub"));
            let is_type = matches!(words.next(), Some("struct" | "enum" | "trait" | "type"));
            if let Some(name) = words.next().filter(|_| is_type) {
                let end = name
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(name.len());
                owners
                    .entry(name[..end].to_owned())
                    .or_default()
                    .push(path.clone());
            }
        }
    }
    assert!(owners.len() > 150, "only {} types were found", owners.len());
    owners.retain(|_, files| files.len() > 1);
    assert!(owners.is_empty(), "{owners:?}");
}

#[test]
fn comments_wrap_at_100_columns() {
    for dir in ["src", "tests", "benches", "examples"] {
        for path in rust_files(&repository().join(dir)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let comments = text.lines().enumerate().filter(|(_, line)| {
                let line = line.trim_start();
                line.starts_with("//")
            });
            for (number, line) in comments {
                let width = line.chars().count();
                let place = format!("{}:{}", path.display(), number + 1);
                assert!(width <= 100, "{place} has {width} columns");
            }
        }
    }
}
