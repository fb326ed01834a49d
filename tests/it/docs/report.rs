//! The report that `scripts/bench --report` writes: it names its command and its machine, its
//! charts are well-formed, and where another program is better it says why.

use super::{between, read};
use crate::support::sandbox::{entries, repository};

const DIR: &str = "docs/bench";

fn report() -> String {
    read(&format!("{DIR}/report.md"))
}

#[test]
fn the_report_names_its_command_and_the_machine_and_shows_every_chart() {
    let report = report();
    assert!(report.contains("`scripts/bench --report`"), "{report}");
    let machine = between(&report, "\n## The machine\n", "\n| ");
    for words in ["- Linux ", " cores: ", "built with rustc ", "tini "] {
        assert!(machine.contains(words), "{words}: {machine}");
    }
    let mut shown: Vec<&str> = report.split("](").skip(1).collect();
    shown.sort_unstable();
    let shown = shown.iter().filter_map(|rest| rest.split(')').next());
    let mut expected = entries(&repository().join(DIR));
    expected.retain(|name| name != "report.md");
    expected.sort_unstable();
    assert!(
        shown.eq(expected.iter().map(String::as_str)),
        "{expected:?}"
    );
    let comparison = read("docs/comparison.md");
    assert!(comparison.contains("](bench/size.svg)"), "no chart");
    assert!(comparison.contains("](bench/report.md)"), "no report");
}

#[test]
fn the_report_says_why_wherever_another_program_is_better() {
    let report = report();
    let (table, reasons) = report
        .split_once("\n## Where exitdir is not first\n")
        .unwrap_or((&report, ""));
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Ok(ratio) = cells[4].parse::<f64>() else {
            continue;
        };
        count += 1;
        // Less is a draw.
        let item = format!("- *{}* (", cells[0]);
        let given = reasons.lines().find(|line| line.starts_with(&item));
        let is_given = given.is_some_and(|line| line.contains(cells[2]));
        assert!(ratio <= 1.02 || is_given, "no reason: {row}");
    }
    assert!(count > 30, "{report}");
    assert!(!reasons.contains("no reason is known"), "{reasons}");
}

#[test]
fn the_charts_are_well_formed_and_load_nothing() {
    let mut charts = entries(&repository().join(DIR));
    charts.retain(|name| name.ends_with(".svg"));
    assert!(charts.len() > 2, "{charts:?}");
    for name in charts {
        let chart = read(&format!("{DIR}/{name}"));
        check_elements(&chart).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(chart.contains("prefers-color-scheme: dark"), "{name}");
        assert!(chart.matches("<rect").count() > 2, "{name}: no bars");
        let addresses = chart.matches("://").count();
        assert_eq!(addresses, 1, "{name}: more than its name space");
        assert!(!chart.contains("url("), "{name}: loads something");
    }
}

#[test]
fn the_numbers_of_the_charts_are_those_of_the_table() {
    let report = report();
    let is_separator = |c: char| c.is_whitespace() || c == '|';
    let known: Vec<&str> = report.split(is_separator).collect();
    let mut charts = entries(&repository().join(DIR));
    charts.retain(|name| name.ends_with(".svg"));
    let mut count = 0;
    for name in charts {
        let chart = read(&format!("{DIR}/{name}"));
        let texts = chart
            .split("</text>")
            .filter_map(|text| text.rsplit('>').next());
        // "608 us"
        let numbers = texts.filter_map(|text| text.split_once(' '));
        for (number, _) in numbers.filter(|(number, _)| number.parse::<f64>().is_ok()) {
            assert!(
                known.contains(&number),
                "{name}: {number} is not in the report"
            );
            count += 1;
        }
    }
    assert!(count > 15, "{count} numbers");
}

/// Whether each element ends in the order of its begin, and each attribute has a value in quotes.
pub(super) fn check_elements(xml: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some((text, after)) = rest.split_once('<') {
        if text.contains('>') || open.is_empty() && !text.trim().is_empty() && rest != xml {
            return Err(format!("a text outside of elements: {text:?}"));
        }
        let (tag, after) = after.split_once('>').ok_or("a tag without an end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(begun) if begun == name => continue,
                begun => return Err(format!("{begun:?} ends as {name}")),
            }
        }
        if tag.matches('"').count() % 2 != 0 {
            return Err(format!("a quote without an end: {tag}"));
        }
        let name = tag.split([' ', '/', '\n']).next().unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_name {
            return Err(format!("no name of an element: {tag}"));
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    match open.as_slice() {
        [] if rest.trim().is_empty() && xml.starts_with("<svg ") => Ok(()),
        open => Err(format!("without an end: {open:?}")),
    }
}
