//! The documentation says what is true: its examples run, its tables agree with `--help` and the
//! code, and the demo and the library's examples end as described.

mod completions;
mod compose;
mod demo;
mod developers;
mod examples;
mod figures;
mod first_contact;
mod getting_it;
mod kustomize;
mod man;
mod manifest_play;
mod manifests;
mod migrating;
mod pages;
mod pictures;
mod play;
mod policies;
mod programs;
mod python;
mod readers;
mod report;
mod schemas;
mod security;
mod sizes;
mod system_calls;
mod tables;
mod visits;

use crate::support::sandbox::{Sandbox, Start, binary, entries, repository};
use std::path::PathBuf;

const APPLETS: [&str; 5] = ["run", "wait", "signal", "status", "install"];

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn page(applet: &str) -> String {
    read(&format!("docs/exitdir-{applet}.md"))
}

/// Every page that is written for users.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "SECURITY.md".to_owned()];
    for dir in ["docs", "docs/guides"] {
        let names = entries(&repository().join(dir));
        let pages_here = names.iter().filter(|name| name.ends_with(".md"));
        pages.extend(pages_here.map(|name| format!("{dir}/{name}")));
    }
    assert!(pages.len() > APPLETS.len(), "{pages:?}");
    pages
}

/// Other texts with the same form, which are written for developers.
fn others() -> [String; 3] {
    ["CHANGELOG.md", "CONTRIBUTING.md", "DESIGN.md"].map(str::to_owned)
}

/// Every manifest among the examples.
fn manifests() -> Vec<String> {
    let mut manifests = manifests_below("examples/kubernetes");
    assert!(!manifests.is_empty());
    manifests.push("examples/compose.yaml".to_owned());
    manifests
}

fn manifests_below(dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in entries(&repository().join(dir)) {
        let path = format!("{dir}/{name}");
        match repository().join(&path).is_dir() {
            true => found.extend(manifests_below(&path)),
            false => found.push(path),
        }
    }
    found
}

fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

/// A fenced block of a page.
struct Block {
    /// The line above it without the fence: a language, and often a word more.
    kind: String,
    text: String,
}

impl Block {
    fn language(&self) -> &str {
        self.kind.split(' ').next().unwrap_or_default()
    }
}

/// The fenced blocks of a page, without the indentation of their fences.
fn fenced(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    let mut indentation = 0;
    for line in text.lines() {
        if is_fence(line) {
            is_inside = !is_inside;
            if is_inside {
                indentation = line.len() - line.trim_start().len();
                let kind = line.trim_start().trim_start_matches('`').to_owned();
                let text = String::new();
                blocks.push(Block { kind, text });
            }
        } else if let Some(block) = blocks.last_mut().filter(|_| is_inside) {
            let line = line.get(indentation..).unwrap_or(line.trim_start());
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    blocks
}

/// The blocks of this kind in a page.
fn blocks_of(page: &str, kind: &str) -> Vec<String> {
    let blocks = fenced(&read(page)).into_iter();
    let found = blocks.filter(|block| block.kind == kind);
    found.map(|block| block.text).collect()
}

fn absolute_binary() -> PathBuf {
    std::fs::canonicalize(binary()).expect("the binary under test")
}

fn made(dir: PathBuf) -> PathBuf {
    std::fs::create_dir(&dir).expect("a fresh directory");
    dir
}

fn help(applet: &str) -> String {
    let ended = Sandbox::new().applet(applet).arg("--help").finish();
    assert_eq!(ended.status, 0);
    ended.stdout
}

/// The options as `--help` shows them: `-d, --dir DIR` and what it says about them, which can go on
/// in the next lines of its column.
fn help_lines(applet: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    for line in help(applet).lines().filter(|line| line.starts_with("  ")) {
        let text = line.trim_start();
        if text.starts_with('-') {
            let (head, help) = text.split_once("  ").expect("a name, then its help");
            options.push((head.to_owned(), help.trim_start().to_owned()));
        } else if let Some((_, help)) = options.last_mut().filter(|_| is_continued(line)) {
            help.push(' ');
            help.push_str(text);
        }
    }
    options
}

/// Whether a line stands in the column of the help of options.
fn is_continued(line: &str) -> bool {
    let indent = line.len() - line.trim_start().len();
    indent == 34
}

fn between(text: &str, from: &str, to: &str) -> String {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to)
        .map_or(rest, |(inner, _)| inner)
        .to_owned()
}

/// `EXITDIR_` and the long name in capitals; the directory's is `EXIT_DIR`. `None` for a letter
/// alone.
fn derived_variable(head: &str) -> Option<String> {
    let (_, long) = head.split_once("--")?;
    let long = long.split(' ').next().unwrap_or(long);
    Some(format!("EXITDIR_{}", long.to_uppercase().replace('-', "_")))
}
