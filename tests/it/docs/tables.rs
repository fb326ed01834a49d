//! The tables of the pages agree with `--help`, the parser, and the format.

use super::pages::kubexit_variables;
use super::{APPLETS, between, derived_variable, help, help_lines, page, read};
use crate::support::sandbox::{Sandbox, Start};
use std::collections::BTreeSet;

#[test]
fn the_page_of_an_applet_has_the_options_of_help_and_its_words_for_them() {
    for applet in APPLETS {
        let page = page(applet);
        check_options(
            &page,
            &help_lines(applet),
            &format!("docs/exitdir-{applet}.md"),
        );
    }
    let managed = between(&help("run"), "Configuration and activation:\n", "\n\n");
    let mut expected = help_lines("run");
    expected.retain(|(head, _)| managed.contains(&format!(" {head} ")));
    assert_eq!(expected.len(), 5, "{expected:?}");
    check_options(&read("docs/managed.md"), &expected, "docs/managed.md");
}

/// The same options in the same order, each described by the words of `--help`; the page may add to
/// them.
fn check_options(page: &str, expected: &[(String, String)], path: &str) {
    let rows = option_rows(page);
    let heads: Vec<&str> = rows.iter().map(|row| row.head.as_str()).collect();
    let expected_heads: Vec<&str> = expected.iter().map(|(head, _)| head.as_str()).collect();
    assert_eq!(heads, expected_heads, "{path}");
    for (row, (head, help)) in rows.iter().zip(expected) {
        let meaning = &row.meaning;
        assert!(
            meaning.starts_with(help),
            "{path}: {head}: {meaning:?} is not {help:?}"
        );
    }
}

#[test]
fn the_page_of_an_applet_has_the_usage_of_help() {
    for applet in APPLETS {
        let usage = between(&help(applet), "Usage: ", "\n");
        let block = between(&page(applet), "\n## Usage\n\n```text", "\n```");
        let (_, shown) = block.split_once('\n').expect("a line in the block");
        assert_eq!(shown, usage, "docs/exitdir-{applet}.md");
    }
}

#[test]
fn the_page_of_kubexit_has_the_variables_of_its_help() {
    let page = read("docs/kubexit.md");
    let table = page.lines().filter(|line| line.starts_with("| `KUBEXIT_"));
    let cells = table.filter_map(|row| row.split('|').nth(1));
    let listed: BTreeSet<String> = cells.flat_map(strings_in).collect();
    let named = kubexit_variables().into_iter();
    let named = named.map(|variable| variable.trim_end_matches(',').to_owned());
    assert_eq!(listed, named.collect());
}

/// What stands in backquotes.
fn strings_in(cell: &str) -> Vec<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// The sources of `--ready-on`, which stand in three places.
#[test]
fn the_pages_and_the_error_name_the_same_sources_of_readiness() {
    let help = help("run").replace('\n', " ");
    let sources = listed(&between(&help, "A SOURCE is ", ". A COND"));
    assert!(sources.len() > 7, "{sources:?}");
    let table = first_cells(&between(&page("run"), "| source |", "\n\n"), "\0");
    let bad = ["--ready-on", "?", "--", "true"];
    let error = Sandbox::new().run(bad).finish().stderr;
    let error = between(&error, ": expected ", " (see");
    assert_eq!(table, sources, "docs/exitdir-run.md");
    // The sentence leaves out the arguments of a program.
    let in_error = sources.iter().map(|source| source.replace(" [ARG]...", ""));
    assert_eq!(listed(&error), in_error.collect::<Vec<_>>(), "the error");
}

/// The items of "a, b or c".
fn listed(sentence: &str) -> Vec<String> {
    let items = sentence.replace(" or ", ", ");
    items.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_variables_that_the_pages_name_are_read_and_no_others() {
    let pages = APPLETS.map(|applet| (applet, page(applet)));
    for (applet, page) in &pages {
        for row in option_rows(page) {
            check_variable(applet, &row);
        }
    }
}

#[test]
fn every_exit_status_of_help_stands_in_the_page_of_its_applet() {
    for applet in APPLETS {
        let (page, help) = (page(applet), help(applet));
        let statuses = between(&help, "Exit status:", "\n\n");
        let section = section(&page, "Exit status");
        for status in statuses
            .split(|c: char| !c.is_alphanumeric() && c != '+')
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        {
            assert!(
                section.contains(&format!("\n| {status} |")),
                "docs/exitdir-{applet}.md has no row for exit status {status}"
            );
        }
    }
}

#[test]
fn the_page_of_the_tombstone_has_every_key_reason_and_state_that_the_code_knows() {
    let page = read("docs/tombstone.md");
    let format = read("src/protocol/tombstone.rs");
    let words_of = |name: &str| strings(&between(&format, name, "\n}\n"), "\",");
    let keys = words_of("\nimpl Key {");
    let documented = first_cells(&section(&page, "Keys"), "| `Reason` | meaning |");
    assert_eq!(documented, keys, "keys");

    let (_, table) = page
        .split_once("| `Reason` | meaning |")
        .expect("a table of reasons");
    let reasons = words_of("\nimpl Reason {");
    assert_eq!(first_cells(table, "\n```"), reasons, "reasons");

    let words = between(&read("src/protocol/state.rs"), "const WORDS", "];");
    let mut states = strings(&words, "\", State");
    states.push("exit=N".to_owned());
    let mut documented = first_cells(&section(&page, "States"), "It is **dead**");
    let mut of_wait = first_cells(
        &section(&super::page("wait"), "Conditions"),
        "The exact rules",
    );
    for list in [&mut states, &mut documented, &mut of_wait] {
        list.sort();
    }
    assert_eq!(documented, states, "states in tombstone.md");
    assert_eq!(of_wait, states, "states in exitdir-wait.md");
    let help = help("wait").replace('\n', " ");
    let mut of_help = listed(&between(&help, "STATE is ", " (default died)"));
    of_help.sort();
    assert_eq!(of_help, states, "states in exitdir-wait --help");
}

struct OptionRow {
    head: String,
    variable: Option<String>,
    meaning: String,
}

/// The rows of the tables of options: `| `-d, --dir DIR` | `EXIT_DIR` | ... |`.
fn option_rows(page: &str) -> Vec<OptionRow> {
    let rows = page.lines().filter(|line| line.starts_with("| `-"));
    rows.map(|row| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (head, variable) = (cells.nth(1), cells.next());
        let meaning = cells.next().expect("what it means");
        OptionRow {
            head: head.expect("an option").to_owned(),
            variable: variable.filter(|cell| !cell.is_empty()).map(str::to_owned),
            meaning: meaning.to_owned(),
        }
    })
    .collect()
}

/// A variable that is read is named in the error about a bad value; another one has no effect.
fn check_variable(applet: &str, row: &OptionRow) {
    let sandbox = Sandbox::new();
    if row.variable.as_deref() == Some("EXIT_DIR") {
        let mut command = sandbox.applet(applet);
        command.env_remove("EXIT_DIR");
        match applet {
            "run" => command.args(["--name", "x", "--", "true"]),
            "install" => command.arg("--sweep"),
            _ => &mut command,
        };
        let ended = command.finish();
        assert_eq!(ended.status, 125, "{applet}");
        assert!(ended.stderr.contains("set EXIT_DIR"), "{}", ended.stderr);
        return;
    }
    let Some(derived) = derived_variable(&row.head) else {
        assert_eq!(row.variable, None, "{}", row.head);
        return;
    };
    assert!(
        row.variable.as_ref().is_none_or(|named| *named == derived),
        "{}",
        row.head
    );
    let mut command = sandbox.applet(applet);
    command.env(&derived, "/");
    match applet {
        "run" => command.args(["--", "true"]),
        "wait" => command.args(["x", "--timeout", "0"]),
        "install" => command.arg("--sweep"),
        _ => &mut command,
    };
    let ended = command.finish();
    let is_unknown = ended.stderr.contains("unknown variable");
    let is_read = ended.stderr.contains(&derived) && !is_unknown;
    assert_eq!(
        is_read,
        row.variable.is_some(),
        "exitdir-{applet} and {derived}: {}",
        ended.stderr
    );
    assert!(!is_read || ended.status == 125, "{derived}");
}

/// The text under a heading, up to the next heading of the same level.
fn section(page: &str, heading: &str) -> String {
    between(page, &format!("\n## {heading}\n"), "\n## ")
}

/// The quoted strings that end right before `after`.
fn strings(code: &str, after: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some((before, behind)) = rest.split_once(after) {
        found.extend(before.rsplit('"').next().map(str::to_owned));
        rest = behind;
    }
    assert!(!found.is_empty(), "nothing before {after}");
    found
}

/// The first cells of a table's rows, if they are in backquotes, up to `end`.
fn first_cells(text: &str, end: &str) -> Vec<String> {
    let text = text.split_once(end).map_or(text, |(before, _)| before);
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(cell, _)| cell.to_owned())
        .collect()
}
