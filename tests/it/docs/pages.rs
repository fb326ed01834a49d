//! Commands, variables, YAML and blocks in the pages are valid, and their lines wrap.

mod links;

use super::{
    APPLETS, Block, derived_variable, fenced, help, help_lines, is_fence, manifests, others, pages,
    read,
};
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
/// The kinds of blocks that a page for users may have, with the pages that may have them, if not
/// all may. A block of text is not run, and the word behind `text` says why.
const KINDS: [(&str, &[&str]); 15] = [
    // Run: by examples.rs, and by visits.rs.
    ("sh", &[]),
    ("sh checkout", &["README.md"]),
    ("sh release", &["README.md"]),
    ("sh cargo", &["docs/library.md"]),
    // Parsed below. first_contact.rs and manifest_play.rs run manifests.
    ("yaml", &[]),
    // Compiled by rustdoc, because src/lib.rs includes this page.
    ("rust", &["docs/library.md"]),
    // Compared by visits.rs.
    ("toml", &["docs/library.md"]),
    // Run by readers.rs.
    ("python", &["docs/tombstone.md"]),
    // Built by tests/containers/readme.rs.
    ("dockerfile", &["README.md"]),
    // The form of a command line.
    ("text usage", &[]),
    // What a program prints.
    ("text output", &[]),
    // A grammar, or a whole file as an example of it.
    ("text format", &["docs/tombstone.md"]),
    // What needs a cluster, or a container engine with access to a registry.
    ("text cluster", &[]),
    ("text engine", &[]),
    // What a reader has, of another program, before exitdir takes its place.
    ("text before", &["docs/guides/migrating.md"]),
];
/// Those of the pages for developers.
const LANGUAGES: [&str; 4] = ["sh", "text", "rust", "yaml"];

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
fn the_reference_says_which_version_it_describes() {
    let of_applets = APPLETS.map(|applet| format!("exitdir-{applet}"));
    let others = ["kubexit", "tombstone", "managed"].map(str::to_owned);
    for name in of_applets.into_iter().chain(others) {
        let page = read(&format!("docs/{name}.md"));
        let version = format!("\n*exitdir {}*\n", env!("CARGO_PKG_VERSION"));
        assert!(page.ends_with(&version), "docs/{name}.md");
    }
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
pub fn kubexit_variables() -> Vec<String> {
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
fn every_fenced_block_is_checked_or_says_why_it_is_not() {
    for path in pages() {
        assert_eq!(unknown_blocks(&path, &read(&path)), "", "{path}");
    }
    for path in others() {
        for block in fenced(&read(&path)) {
            assert!(LANGUAGES.contains(&&*block.kind), "{path}: {}", block.text);
        }
    }
}

/// The blocks of a page that no test looks at, and that do not say why.
fn unknown_blocks(path: &str, page: &str) -> String {
    let mut unknown = String::new();
    for Block { kind, text } in fenced(page) {
        let mut kinds = KINDS.iter();
        let is_known = kinds
            .any(|(known, pages)| *known == kind && (pages.is_empty() || pages.contains(&path)));
        if !is_known {
            unknown.push_str(&format!("{kind:?} is not one of KINDS here:\n{text}"));
        }
    }
    unknown
}

#[test]
fn a_block_without_a_reason_or_of_an_unknown_kind_is_noticed() {
    for kind in [
        "",
        "text",
        "text because",
        "bash",
        "shell",
        "sh cargo",
        "rust,ignore",
    ] {
        let page = format!("# Page\n\n  ```{kind}\n  true\n  ```\n");
        let unknown = unknown_blocks("docs/page.md", &page);
        assert!(unknown.ends_with(":\ntrue\n"), "{kind}: {unknown}");
    }
    let page = "```sh\ntrue\n```\n```text usage\ntrue\n```\n";
    assert_eq!(unknown_blocks("docs/page.md", page), "");
}

#[test]
fn the_rust_code_of_a_page_is_compiled() {
    let library = read("src/lib.rs");
    for path in pages() {
        if fenced(&read(&path))
            .iter()
            .any(|block| block.kind == "rust")
        {
            let included = format!("include_str!(\"../{path}\")");
            assert!(library.contains(&included), "{path} is not in src/lib.rs");
        }
    }
}

#[test]
fn the_yaml_of_pages_and_manifests_is_valid() {
    for path in pages() {
        for block in fenced(&read(&path)) {
            if block.language() == "yaml" {
                check_yaml(&block.text, &path);
            }
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
