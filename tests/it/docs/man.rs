//! The manual pages that `scripts/man` makes of the reference pages.

use super::{APPLETS, help_lines};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, entries, repository};
use std::path::{Path, PathBuf};
use std::process::Command;

fn manual_pages(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dir = sandbox.path("man");
    let script = repository().join("scripts/man");
    let ended = sandbox.command(script).arg(&dir).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let sections = entries(&dir).into_iter().map(|name| dir.join(name));
    let pages = sections.flat_map(|section| {
        let names = entries(&section);
        names.into_iter().map(move |name| section.join(name))
    });
    pages.collect()
}

#[test]
fn there_is_a_manual_page_for_every_program_and_the_format() {
    let sandbox = Sandbox::new();
    let pages = manual_pages(&sandbox);
    let mut names: Vec<_> = pages
        .iter()
        .map(|page| page.strip_prefix(sandbox.path("man")).expect("below it"))
        .filter_map(Path::to_str)
        .collect();
    names.sort_unstable();
    let expected = [
        "man1/exitdir-install.1",
        "man1/exitdir-run.1",
        "man1/exitdir-signal.1",
        "man1/exitdir-status.1",
        "man1/exitdir-wait.1",
        "man1/exitdir.1",
        "man1/kubexit.1",
        "man5/exitdir-tombstone.5",
        "man7/exitdir-managed.7",
    ];
    assert_eq!(names, expected);
}

#[test]
fn mandoc_finds_nothing_wrong_with_the_manual_pages() {
    let mut mandoc = Command::new("sh");
    if !is_permitted("mandoc", mandoc.args(["-c", "command -v mandoc"])) {
        return;
    }
    let sandbox = Sandbox::new();
    for page in manual_pages(&sandbox) {
        let mut mandoc = sandbox.command("mandoc");
        let ended = mandoc
            .args(["-T", "lint", "-W", "style"])
            .arg(&page)
            .finish();
        // The first line of a list item, and the purpose, are one line each.
        let is_long = |line: &str| line.contains("input text line longer than 80 bytes");
        let found = format!("{}{}", ended.stdout, ended.stderr);
        let wrong: Vec<&str> = found.lines().filter(|line| !is_long(line)).collect();
        assert_eq!(wrong, [""; 0], "{}", page.display());
    }
}

#[test]
fn man_shows_the_manual_pages_without_a_warning() {
    if !is_permitted("man", Command::new("man").arg("--version")) {
        return;
    }
    let sandbox = Sandbox::new();
    for page in manual_pages(&sandbox) {
        let mut man = sandbox.command("man");
        let man = man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page);
        let ended = man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        for heading in ["\nNAME\n", "\nDESCRIPTION\n", "\nSEE ALSO\n"] {
            assert!(ended.stdout.contains(heading), "{}", page.display());
        }
        let footer = format!("exitdir {}", env!("CARGO_PKG_VERSION"));
        assert!(ended.stdout.contains(&footer), "{}", page.display());
    }
}

#[test]
fn the_manual_page_of_an_applet_has_each_option_of_help() {
    let sandbox = Sandbox::new();
    manual_pages(&sandbox);
    for applet in APPLETS {
        let path = format!("man/man1/exitdir-{applet}.1");
        let page = std::fs::read_to_string(sandbox.path(&path)).expect("a page");
        for (head, _) in help_lines(applet) {
            let tag = format!("\n.TP\n\\fB{}\\fP\n", head.replace('-', "\\-"));
            assert!(page.contains(&tag), "{path}: {head}");
        }
    }
}
