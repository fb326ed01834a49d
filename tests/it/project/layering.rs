//! The layout of src/: which room may use which, no circle between files, no import through the
//! crate root, unsafe code and libc in `sys/` alone.

use crate::support::sandbox::repository;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms of src/ from the bottom up. A room uses only rooms above it in this list.
pub const ROOMS: &[&str] = &[
    "duration",
    "sorted",
    "spelling",
    "signal",
    "exit",
    "protocol",
    "error",
    "log",
    "sys",
    "store",
    "process",
    "probe",
    "watch",
    "supervisor",
    "hook",
    "readiness",
    "managed",
    "run",
    "status",
    "applet",
    "model",   // of the protocol, for tests alone
    "fuzzing", // for tests and the fuzzer alone
];

/// Rooms that do no input or output and hold no clock.
const PURE_ROOMS: &[&str] = &[
    "duration",
    "signal",
    "exit",
    "sorted",
    "spelling",
    "protocol",
    "supervisor",
];

/// What only a room with effects contains.
const EFFECTS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::env",
    "std::io",
    "rustix",
    "libc",
    "crate::sys",
];

/// What only `sys/` contains.
const UNSAFE: &[&str] = &[
    "unsafe {",
    "unsafe fn",
    "unsafe extern",
    "unsafe impl",
    "#[unsafe(",
    "libc::",
];

pub fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The modules of the library by their path below `crate`, with their code: no comments, no tests.
/// A module is a file.
pub fn modules() -> BTreeMap<String, String> {
    let src = repository().join("src");
    let mut modules = BTreeMap::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap().with_extension("");
        let path = inside.to_str().unwrap().replace('/', "::");
        if path == "main" || path.split("::").any(|part| part.ends_with("tests")) {
            continue;
        }
        let path = path.strip_suffix("::mod").unwrap_or(&path).to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        // lib.rs declares a module for tests alone before the others.
        let end = if path == "lib" {
            "\0"
        } else {
            "\n#[cfg(test)]\nmod "
        };
        let code = text.split(end).next().unwrap();
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        modules.insert(path, lines.collect::<Vec<_>>().join("\n"));
    }
    modules
}

pub fn room(module: &str) -> &str {
    module.split("::").next().unwrap()
}

/// The single paths of a tree of imports: `a::{b, c::{self, d}}` is `a::b`, `a::c` and `a::c::d`.
fn flatten(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.trim().split(" as ").next().unwrap();
        return vec![path.trim_end_matches("::self").to_owned()];
    };
    let inside = &rest[..rest.rfind('}').unwrap()];
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inside[start..at].trim();
                if !part.is_empty() {
                    paths.extend(flatten(&format!("{}{part}", before.trim())));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}

/// Every path in a module that begins at `crate` or `super`, or at one of the module's own
/// children, from the root.
fn paths(module: &str, code: &str, children: &[&str]) -> BTreeSet<String> {
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let absolute = |path: &str| {
        let (first, rest) = path.split_once("::").unwrap_or((path, ""));
        let base = match first {
            "crate" => "",
            "super" => parent,
            "self" => module,
            child if children.contains(&child) => return Some(format!("{module}::{path}")),
            _ => return None,
        };
        Some(
            format!("{base}::{rest}")
                .trim_start_matches("::")
                .to_owned(),
        )
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap().trim_start();
        if matches!(line, "" | "pub " | "pub(crate) " | "pub(super) ") {
            let tree = code[at + "use ".len()..].split(';').next().unwrap();
            found.extend(flatten(tree).iter().filter_map(|path| absolute(path)));
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in code.split(|c: char| !is_path(c)) {
        if word.contains("::") && !word.ends_with("::") {
            found.extend(absolute(word));
        }
    }
    found
}

/// Which modules each module uses, and what it imports that no module defines.
pub struct Uses {
    pub modules: BTreeMap<String, BTreeSet<String>>,
    through_root: Vec<String>,
}

pub fn uses(code: &BTreeMap<String, String>) -> Uses {
    let mut uses = Uses {
        modules: BTreeMap::new(),
        through_root: Vec::new(),
    };
    for (module, text) in code.iter().filter(|(module, _)| *module != "lib") {
        let below = format!("{module}::");
        let children: Vec<&str> = code
            .keys()
            .filter_map(|other| other.strip_prefix(&below))
            .collect();
        let used = uses.modules.entry(module.clone()).or_default();
        for path in paths(module, text, &children) {
            let mut owner = path.as_str();
            while !code.contains_key(owner) {
                let Some((shorter, _)) = owner.rsplit_once("::") else {
                    uses.through_root.push(format!("src/{module}: {path}"));
                    break;
                };
                owner = shorter;
            }
            if code.contains_key(owner) && owner != module {
                used.insert(owner.to_owned());
            }
        }
    }
    uses
}

#[test]
fn the_layering_is_read_as_the_code_is_written() {
    let code = modules();
    assert!(code.len() > 60, "{:?}", code.keys());
    let uses = uses(&code).modules;
    for (from, to) in [
        ("run", "supervisor::machine"),
        ("protocol::life", "protocol::tombstone"),
        ("sys::signals", "signal"),
        ("applet::run", "applet::args"),
    ] {
        assert!(
            uses[from].contains(to),
            "{from} uses {to}: {:?}",
            uses[from]
        );
    }
    assert_eq!(
        flatten("a::{b, c::{self, d}, e as f}"),
        ["a::b", "a::c", "a::c::d", "a::e"]
    );
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let code = modules();
    let level = |module: &str| {
        let level = ROOMS.iter().position(|room| *room == self::room(module));
        level.unwrap_or_else(|| panic!("src/{module} stands in no room"))
    };
    for (module, used) in uses(&code).modules {
        for other in used {
            assert!(
                level(&other) <= level(&module),
                "src/{module} uses src/{other}, which stands above it"
            );
        }
    }
}

#[test]
fn pure_rooms_hold_no_clock_and_do_no_input_or_output() {
    for (module, code) in modules() {
        if PURE_ROOMS.contains(&room(&module)) {
            for effect in EFFECTS {
                assert!(!code.contains(effect), "src/{module} contains {effect}");
            }
        }
    }
}

#[test]
fn unsafe_code_and_libc_stay_in_sys() {
    for (module, code) in modules() {
        if room(&module) != "sys" {
            for forbidden in UNSAFE {
                assert!(
                    !code.contains(forbidden),
                    "src/{module} contains {forbidden}"
                );
            }
        }
    }
    for dir in ["tests", "examples", "benches"] {
        for file in rust_files(&repository().join(dir)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let is_unsafe = text.contains(UNSAFE[0]) && !file.ends_with("layering.rs");
            assert!(!is_unsafe, "{} contains unsafe code", file.display());
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for file in rust_files(&repository().join("src/sys")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains("unsafe {") || line.contains("#[unsafe(") {
                let above = &lines[at.saturating_sub(6)..at];
                let says = above.iter().any(|line| line.contains("SAFETY:"));
                assert!(says, "{}:{}: {line}", file.display(), at + 1);
            }
        }
    }
}

#[test]
fn no_file_imports_through_the_crate_root_and_only_the_root_exports() {
    let code = modules();
    assert_eq!(uses(&code).through_root, Vec::<String>::new());
    for (module, text) in code.iter().filter(|(module, _)| *module != "lib") {
        for line in text.lines().map(str::trim_start) {
            let visibilities = ["pub use ", "pub(crate) use ", "pub(super) use "];
            let exports = visibilities.iter().any(|start| line.starts_with(start));
            assert!(
                !exports,
                "src/{module} hands on what another file defines: {line}"
            );
        }
    }
}

#[test]
fn no_two_files_need_each_other() {
    let uses = uses(&modules()).modules;
    // What uses nothing that is left is taken away until nothing is left, or a circle.
    let mut left: BTreeSet<&String> = uses.keys().collect();
    loop {
        let free: Vec<&String> = left
            .iter()
            .filter(|module| uses[**module].iter().all(|other| !left.contains(other)))
            .copied()
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|module| !free.contains(module));
    }
    let circle: Vec<String> = left
        .iter()
        .map(|module| {
            let others: Vec<&String> = uses[*module]
                .iter()
                .filter(|other| left.contains(other))
                .collect();
            format!("src/{module} uses {others:?}")
        })
        .collect();
    assert!(circle.is_empty(), "circles:\n{}", circle.join("\n"));
}
