//! Links, commands, variables and YAML in the pages are valid, and their lines wrap.

use super::{
    APPLETS, between, derived_variable, fenced, help, help_lines, is_fence, manifests, pages, read,
};
use crate::support::sandbox::repository;
use std::path::{Component, Path, PathBuf};
use yaml_rust2::YamlLoader;

const WIDTH: usize = 100;
/// Variables that no option reads: one for the command, and examples of typing errors.
const NO_OPTIONS: [&str; 6] = [
    "EXITDIR_SUPERVISED",
    "EXITDIR_STATUS",
    "EXITDIR_REASON",
    "EXITDIR_CAUSE",
    "EXITDIR_DEATH_DEP",
    "EXITDIR_DIR",
];
/// A word that a page shows because it is refused.
const REFUSED: &str = "-name";
/// `sh` is run, `yaml` is parsed, the others are not checked.
const LANGUAGES: [&str; 7] = ["sh", "yaml", "text", "rust", "toml", "python", "dockerfile"];

/// What comes after this version may stand above it.
#[test]
fn the_changelog_begins_with_this_version_and_its_date() {
    let changelog = read("CHANGELOG.md");
    let mut headings = changelog.lines().filter(|line| line.starts_with("## "));
    let newest = headings.find(|line| *line != "## [Unreleased]");
    let date = newest
        .and_then(|line| line.strip_prefix(&format!("## [{}] - ", env!("CARGO_PKG_VERSION"))));
    let is_date = |date: &str| {
        let pattern = "dddd-dd-dd".chars();
        date.len() == 10
            && date.chars().zip(pattern).all(|(c, kind)| match kind {
                'd' => c.is_ascii_digit(),
                other => c == other,
            })
    };
    assert!(date.is_some_and(is_date), "{newest:?}");
}

#[test]
fn commands_and_variables_in_pages_and_manifests_are_known_ones() {
    let options = APPLETS.map(|applet| (applet, help_lines(applet)));
    let run = help_lines("run");
    let mut variables: Vec<String> = run
        .iter()
        .filter_map(|(head, _)| derived_variable(head))
        .collect();
    variables.extend(kubexit_variables());
    for path in pages().into_iter().chain(manifests()) {
        for line in read(&path).lines() {
            for (applet, lines) in &options {
                let used = options_used(line, applet);
                for option in used.into_iter().filter(|option| option != REFUSED) {
                    assert!(
                        lines.iter().any(|(head, _)| is_spelled(head, &option)),
                        "{path}: exitdir-{applet} has no {option}: {line}"
                    );
                }
            }
            let words = words(line).map(|word| word.trim_end_matches([':', '.']));
            let prefixes = ["EXITDIR_", "KUBEXIT_"];
            for variable in words.filter(|word| prefixes.iter().any(|p| word.starts_with(p))) {
                let known = variables.iter().any(|known| known == variable);
                assert!(
                    known || prefixes.contains(&variable) || NO_OPTIONS.contains(&variable),
                    "{path}: no option reads {variable}"
                );
            }
        }
    }
}

/// The variables of `kubexit`, which its help names.
fn kubexit_variables() -> Vec<String> {
    let help = help("kubexit");
    let found = words(&help).filter(|word| word.starts_with("KUBEXIT_"));
    found
        .map(|word| word.trim_end_matches('.').to_owned())
        .collect()
}

#[test]
fn lines_of_pages_wrap_at_a_hundred_columns() {
    for path in pages().into_iter().chain(others()) {
        let mut is_fenced = false;
        for (at, line) in read(&path).lines().enumerate() {
            is_fenced ^= is_fence(line);
            // Tables and code may be wider, and an address cannot be broken.
            let is_free = is_fenced || line.starts_with('|') || !line.trim().contains(' ');
            let width = line.chars().count();
            assert!(
                is_free || width <= WIDTH,
                "{path}:{}: {width} columns",
                at + 1
            );
        }
    }
}

#[test]
fn every_fenced_block_names_its_language() {
    for path in pages().into_iter().chain(others()) {
        for (language, block) in fenced(&read(&path)) {
            let known = LANGUAGES.contains(&language.as_str());
            assert!(known, "{path}: {language:?}\n{block}");
        }
    }
}

#[test]
fn the_yaml_of_pages_and_manifests_is_valid() {
    for path in pages() {
        for (_, block) in fenced(&read(&path))
            .iter()
            .filter(|(language, _)| language == "yaml")
        {
            check_yaml(block, &path);
        }
    }
    for path in manifests() {
        check_yaml(&read(&path), &path);
    }
}

fn check_yaml(text: &str, path: &str) {
    let documents =
        YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
    assert!(!documents.is_empty(), "{path}\n{text}");
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    for (path, link, target, anchor) in links() {
        let exists = repository().join(&target).exists();
        assert!(exists, "{path}: {link}");
        let target = read(target.to_str().expect("UTF-8"));
        let found = anchor.is_empty() || headings(&target).any(|heading| heading == anchor);
        assert!(found, "{path}: {link}: there is no such heading");
    }
}

#[test]
fn the_package_contains_what_the_pages_link_to() {
    let manifest = read("Cargo.toml");
    let included = between(&manifest, "\ninclude = [", "]");
    let included: Vec<&str> = included.split('"').skip(1).step_by(2).collect();
    for (path, link, target, _) in links() {
        let target = Path::new("/").join(target);
        let is_included = included.iter().any(|entry| target.starts_with(entry));
        assert!(is_included, "{path}: {link}: not in Cargo.toml's include");
    }
}

/// The links inside the repository: the page, the link, the file that it leads to, its anchor.
fn links() -> Vec<(String, String, PathBuf, String)> {
    let mut links = Vec::new();
    for path in pages().into_iter().chain(others()) {
        let text = read(&path);
        let found = text.split("](").skip(1);
        let found = found.filter_map(|rest| rest.split(')').next());
        for link in found.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => PathBuf::from(&path),
                file => resolved(&Path::new(&path).with_file_name("").join(file)),
            };
            links.push((path.clone(), link.to_owned(), target, anchor.to_owned()));
        }
    }
    links
}

/// The path without `..`.
fn resolved(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut so_far, part| {
        match part {
            Component::ParentDir => drop(so_far.pop()),
            part => so_far.push(part),
        }
        so_far
    })
}

/// Other texts with the same form.
fn others() -> [String; 3] {
    ["CHANGELOG.md", "CONTRIBUTING.md", "DESIGN.md"].map(str::to_owned)
}

/// The headings of a page as anchors: in small letters, with `-` for spaces.
fn headings(page: &str) -> impl Iterator<Item = String> {
    let lines = page.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let title = line.trim_start_matches(['#', ' ']).to_lowercase();
        title
            .replace(|c: char| !c.is_alphanumeric() && c != ' ' && c != '-', "")
            .replace(' ', "-")
    })
}

// --- commands in texts ---

/// The words of a line, without what surrounds them in shell, JSON, YAML and Markdown.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && !"-_./:+".contains(c))
        .filter(|word| !word.is_empty())
}

/// The options that a line gives to an applet, before any `--`.
fn options_used(line: &str, applet: &str) -> Vec<String> {
    let name = format!("exitdir-{applet}");
    let mut used = Vec::new();
    for command in line.split(['&', ';', '`', '|']) {
        let mut words = words(command).skip_while(|word| word.rsplit('/').next() != Some(&name));
        if words.next().is_some() {
            used.extend(
                words
                    .take_while(|word| *word != "--")
                    .filter(|word| word.starts_with('-'))
                    .map(str::to_owned),
            );
        }
    }
    used
}

/// Whether an option of `--help` can be spelled so.
fn is_spelled(head: &str, option: &str) -> bool {
    words(head).any(|word| word == option)
}
