//! docs/system-calls.md, the seccomp profile, and what the binary calls agree.

use super::{between, read};
use crate::support::requirements::strace_is_here;
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::syscalls::{NONE, points, strace_log, traced};
use std::collections::BTreeSet;

/// The words that the text has between two of this mark.
fn marked(text: &str, mark: char) -> BTreeSet<String> {
    let words = text.split(mark).skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// The calls of the table, and of the paragraphs about the runtime and aarch64.
fn calls_of_page() -> (BTreeSet<String>, BTreeSet<String>) {
    let page = read("docs/system-calls.md");
    let table = between(&page, "|---|---|\n", "\n\n");
    let cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let table = cells.flat_map(|cell| marked(cell, '`')).collect();
    let others = ["the profile:\n\n", "not measured:\n\n"].map(|before| {
        let paragraph = between(&page, before, "\n\n");
        marked(&paragraph, '`')
    });
    (table, others.into_iter().flatten().collect())
}

#[test]
fn the_seccomp_profile_allows_the_calls_of_the_page_and_kills_for_others() {
    let (table, others) = calls_of_page();
    let profile = read("docs/seccomp.json");
    let allowed = marked(&between(&profile, "\"names\": [", "]"), '"');
    assert!(table.len() > 50 && others.len() > 20, "{table:?}");
    assert_eq!(allowed, &table | &others);
    assert_eq!(profile.matches("SCMP_ACT_").count(), 2, "{profile}");
    for action in [
        "\"defaultAction\": \"SCMP_ACT_KILL_PROCESS\"",
        "\"action\": \"SCMP_ACT_ALLOW\"",
    ] {
        assert!(profile.contains(action), "{profile}");
    }
}

#[test]
fn what_the_static_binary_calls_is_on_the_page_of_system_calls() {
    let is_static = std::fs::read(binary()).is_ok_and(|elf| elf.get(16) == Some(&2));
    if !cfg!(target_arch = "x86_64") || !is_static || !strace_is_here() {
        return;
    }
    let (table, _) = calls_of_page();
    for words in [
        "run -n a --ready-on notify -- true",
        "run -n a --config /etc/passwd=copy -- true",
        "wait -t 0 b:died",
        "signal --ready a",
        "signal -c 3 b",
        "status",
        "install made",
    ] {
        let sandbox = Sandbox::new();
        let words: Vec<&str> = words.split(' ').collect();
        let mut command = traced(&sandbox, NONE, &words);
        command.current_dir(sandbox.path(".")).finish();
        for point in points(&strace_log(&sandbox)) {
            assert!(table.contains(&point.call), "{words:?}: {}", point.line);
        }
    }
}
