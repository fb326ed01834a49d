//! DESIGN.md and CONTRIBUTING.md name only rooms, files, functions and dependencies that exist.

use super::{between, fenced, is_fence, read};
use crate::project::layering::{ROOMS, modules, room, rust_files, uses};
use crate::support::sandbox::repository;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const PAGES: [&str; 2] = ["DESIGN.md", "CONTRIBUTING.md"];
/// Constants of the kernel that the pages name and that rustix names differently.
const FOREIGN_CONSTANTS: [&str; 3] = ["FALLOC_FL_KEEP_SIZE", "RENAME_EXCHANGE", "RWF_NOWAIT"];
/// A path that begins like this is a path in this repository.
const DIRECTORIES: [&str; 8] = [
    "src/",
    "tests/",
    "docs/",
    "scripts/",
    "benches/",
    "examples/",
    ".cargo/",
    ".ci/",
];

#[test]
fn the_picture_shows_every_room_above_the_rooms_that_it_uses() {
    let design = read("DESIGN.md");
    let picture = &fenced(&design)[0].text;
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in picture.lines().enumerate() {
        for shown in line.split('[').skip(1) {
            let name = shown.split(']').next().expect("a closing bracket");
            let before = lines.insert(name, number);
            assert_eq!(before, None, "{name} is shown twice");
        }
    }
    let shown: BTreeSet<&str> = lines.keys().copied().collect();
    assert_eq!(shown, ROOMS.iter().copied().collect());
    for (module, used) in uses(&modules()).modules {
        for other in used.iter().map(|other| room(other)) {
            let (above, below) = (lines[room(&module)], lines[other]);
            assert!(
                room(&module) == other || above < below,
                "src/{module} uses {other}, which the picture does not show below it"
            );
        }
    }
}

#[test]
fn every_room_has_a_row_that_names_its_first_file() {
    let design = read("DESIGN.md");
    let table = between(&design, "| room |", "\n\n");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let first_cell = |row: &str| spans(row)[0].trim_end_matches('/').to_owned();
    let rooms: BTreeSet<String> = rows.map(first_cell).collect();
    let expected: BTreeSet<String> = ROOMS.iter().map(|room| (*room).to_owned()).collect();
    assert_eq!(rooms, expected);
}

#[test]
fn every_file_that_the_pages_name_exists() {
    let names: BTreeSet<String> = all_files()
        .iter()
        .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
        .collect();
    let exists = |span: &String| {
        let path = span.split(' ').next().expect("a first word");
        let is_path = DIRECTORIES.iter().any(|dir| path.starts_with(dir));
        match path.rsplit_once('.') {
            _ if is_path => repository().join(path).exists(),
            Some((_, "rs" | "md" | "toml" | "ld" | "lock")) => names.contains(path),
            Some(_) | None => true,
        }
    };
    for page in PAGES {
        let mut missing = code(&read(page));
        missing.retain(|span| !exists(span));
        assert_eq!(missing, Vec::<String>::new(), "{page}");
    }
}

#[test]
fn every_function_type_and_constant_that_the_pages_name_exists() {
    let sources = Sources::read();
    for page in PAGES {
        let mut unknown = code(&read(page));
        unknown.retain(|span| !sources.know(span));
        assert_eq!(unknown, Vec::<String>::new(), "{page}");
    }
}

#[test]
fn a_function_is_in_the_file_that_a_page_gives_for_it() {
    for page in PAGES {
        let text = prose(&read(page));
        let pairs = in_files(&text);
        assert!(page != "DESIGN.md" || pairs.len() > 10, "{pairs:?}");
        for (name, file) in pairs {
            let code = read(&file);
            let defines = |function: &str| {
                let mut found = code.split("fn ").skip(1);
                found.any(|rest| words(rest).next() == Some(function))
            };
            let is_there = |part: &str| match part.starts_with(|c: char| c.is_ascii_uppercase()) {
                true => words(&code).any(|word| word == part),
                false => defines(part),
            };
            // The name of a module is that of its file.
            let mut parts = name
                .split("::")
                .filter(|part| !file.ends_with(&format!("/{part}.rs")));
            assert!(parts.all(is_there), "{page}: {name} is not in {file}");
        }
    }
}

#[test]
fn each_step_of_the_walk_names_a_function_and_its_file() {
    let design = read("DESIGN.md");
    let walk = between(&design, "\n## A death stops a command\n", "\n## ");
    let steps: Vec<String> = prose(&walk)
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    assert!(steps.len() > 5, "{steps:?}");
    for step in steps {
        assert!(!in_files(&step).is_empty(), "no function in a file: {step}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let (manifest, fuzzer) = (read("Cargo.toml"), read("fuzz/Cargo.toml"));
    let mut expected: BTreeSet<String> = BTreeSet::new();
    for (manifest, section) in [
        (&manifest, "\n[dependencies]\n"),
        (&manifest, "\n[target.'cfg(fuzzing)'.dependencies]\n"),
        (&manifest, "\n[dev-dependencies]\n"),
        (&fuzzer, "\n[dependencies]\n"),
    ] {
        let lines = between(manifest, section, "\n[");
        let names = lines.lines().filter_map(|line| line.split_once(" = "));
        expected.extend(names.map(|(name, _)| name.to_owned()));
    }
    expected.remove("exitdir");
    let section = between(&read("DESIGN.md"), "\n## Dependencies\n", "\n## ");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let first_cell = |row: &str| row.split('|').nth(1).map(spans);
    let found: BTreeSet<String> = rows.filter_map(first_cell).flatten().collect();
    assert_eq!(found, expected);
}

#[test]
fn every_folder_of_tests_has_a_row() {
    let table = between(&read("CONTRIBUTING.md"), "| folder of `tests/it` |", "\n\n");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let found: BTreeSet<String> = rows.map(|row| spans(row)[0].clone()).collect();
    let folders = std::fs::read_dir(repository().join("tests/it")).expect("the tests");
    let folders = folders.flatten().filter(|entry| entry.path().is_dir());
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    assert_eq!(found, folders.map(name).collect());
}

// --- pages ---

/// The page without fenced blocks, each paragraph and each item of a list as one line.
fn prose(page: &str) -> String {
    let mut text = String::new();
    let mut is_fenced = false;
    for line in page.lines() {
        if is_fence(line) {
            is_fenced = !is_fenced;
            continue;
        }
        let line = if is_fenced { "" } else { line };
        let begins = |mark: char| line.trim_start().starts_with(mark);
        let is_numbered = line.split_once(". ").is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if line.is_empty() || begins('#') || begins('|') || begins('-') || is_numbered {
            text.push('\n');
        } else if !text.ends_with('\n') {
            text.push(' ');
        }
        text.push_str(line.trim());
    }
    text
}

/// The texts in backquotes.
fn spans(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn code(page: &str) -> Vec<String> {
    let found: Vec<String> = prose(page).lines().flat_map(spans).collect();
    assert!(found.len() > 20, "{found:?}");
    found
}

/// The names that are said to be in a file: `Type::function` in `src/file.rs`.
fn in_files(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("` in `") {
            let name = line[..at].rsplit('`').next().unwrap_or_default();
            let file = line[at + "` in `".len()..].split('`').next();
            let file = file.unwrap_or_default();
            if file.ends_with(".rs") {
                let name = name.trim_end_matches("()");
                pairs.push((name.to_owned(), file.to_owned()));
            }
        }
    }
    pairs
}

// --- sources ---

struct Sources {
    /// Each file with its words and the names of its functions.
    files: Vec<SourceFile>,
}

struct SourceFile {
    path: PathBuf,
    words: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Sources {
    fn read() -> Sources {
        let is_source = |path: &PathBuf| {
            let is_page = path.extension().is_some_and(|ext| ext == "md");
            !is_page && !path.ends_with("docs/developers.rs")
        };
        let files = all_files().into_iter().filter(is_source).map(|path| {
            let text = std::fs::read(&path).expect("readable");
            let text = String::from_utf8_lossy(&text);
            let after_fn = text.split("fn ").skip(1);
            SourceFile {
                words: words(&text).map(str::to_owned).collect(),
                functions: after_fn
                    .filter_map(|rest| words(rest).next().map(str::to_owned))
                    .collect(),
                path,
            }
        });
        Sources {
            files: files.collect(),
        }
    }

    /// Whether a name exists. Texts that are no names of this code are known.
    fn know(&self, span: &str) -> bool {
        if span.contains(' ') {
            return true;
        }
        if let Some((owner, last)) = span.trim_end_matches("()").rsplit_once("::") {
            let owner = owner.rsplit("::").next().unwrap_or(owner);
            return is_word(owner) && is_word(last) && self.has_member(owner, last);
        }
        if let Some(function) = span.strip_suffix("()") {
            let has = |file: &SourceFile| file.functions.contains(function);
            return self.files.iter().any(has);
        }
        if !is_type(span) && !is_constant(span) || FOREIGN_CONSTANTS.contains(&span) {
            return true;
        }
        self.files.iter().any(|file| file.words.contains(span))
    }

    /// Whether a file has both names: a type and its function or variant, or a module's function.
    fn has_member(&self, owner: &str, last: &str) -> bool {
        self.files.iter().any(|file| {
            let stem = file.path.file_stem().and_then(|stem| stem.to_str());
            let is_owner = match stem {
                Some("mod") => file.path.parent().is_some_and(|dir| dir.ends_with(owner)),
                stem => stem == Some(owner),
            };
            let is_function = file.functions.contains(last);
            let is_variant = is_type(last) || last.starts_with(|c: char| c.is_ascii_uppercase());
            (is_owner || file.words.contains(owner))
                && (is_function || is_variant && file.words.contains(last))
        })
    }
}

/// `UpperCamelCase` of two words or more.
fn is_type(word: &str) -> bool {
    let capitals = word.bytes().filter(u8::is_ascii_uppercase).count();
    is_word(word)
        && !word.contains('_')
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && capitals > 1
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// `UPPER_SNAKE_CASE` of two words or more.
fn is_constant(word: &str) -> bool {
    is_word(word)
        && word.trim_matches('_').contains('_')
        && !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && words(word).eq([word])
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    parts.filter(|word| !word.is_empty())
}

/// Every Rust source, script, page and setting.
fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches", "examples"] {
        files.extend(rust_files(&repository().join(dir)));
    }
    for dir in [".", "docs", "docs/guides", "scripts", ".cargo"] {
        let entries = std::fs::read_dir(repository().join(dir)).expect("a directory");
        let is_file = |path: &PathBuf| path.is_file();
        files.extend(entries.flatten().map(|entry| entry.path()).filter(is_file));
    }
    files
}
