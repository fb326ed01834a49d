//! Tidiness is tested too: layers, where unsafe code may be, sizes, and what the project may name.

use crate::support::sandbox::binary;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most that a static binary may weigh, in bytes.
const SIZE_LIMIT: u64 = 640_000;

/// The rooms of the library from the bottom up. What stands in one line may use only that line and the
/// ones above it; so `supervisor` and what is above it see nothing but pure files.
const LAYERS: &[&[&str]] = &[
    &["duration", "signal", "timestamp", "exit", "name"],
    &["tombstone", "error"],
    &["condition"],
    &["verdict"],
    &["dependencies"],
    &["ready_on", "config", "supervisor"],
    &["exit_dir", "random", "sys", "voice", "wording"],
    &["birth", "effort", "watch"],
    &[
        "own_life",
        "say",
        "sweep",
        "follow",
        "program",
        "termination_log",
    ],
    &[
        "vigil",
        "child",
        "descendants",
        "managed",
        "plan",
        "readiness",
        "society",
        "timers",
    ],
    &["event_loop"],
    &["applet"],
    &["model"], // of the protocol, for tests alone
];

/// Files that do no input or output, and hold no clock.
const PURE: &[&str] = &[
    "duration",
    "signal",
    "timestamp",
    "exit",
    "name",
    "tombstone",
    "condition",
    "verdict",
    "dependencies",
    "supervisor",
    "ready_on",
    "config",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
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

/// The code of each room of the library, without its tests and comments.
fn rooms() -> BTreeMap<String, String> {
    let mut rooms: BTreeMap<String, String> = BTreeMap::new();
    let src = root().join("src");
    for file in rust_files(&src) {
        let inside = file
            .strip_prefix(&src)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if inside.ends_with("tests.rs") {
            continue;
        }
        let room = inside
            .split('/')
            .next()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: Vec<&str> = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        rooms.entry(room).or_default().push_str(&code.join("\n"));
    }
    rooms
}

/// Which room a name at the top of the crate comes from, as `lib.rs` says.
fn exports() -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for line in std::fs::read_to_string(root().join("src/lib.rs"))
        .unwrap()
        .lines()
    {
        let Some((room, names)) = line
            .strip_prefix("pub use ")
            .and_then(|rest| rest.split_once("::"))
        else {
            continue;
        };
        for name in names.trim_matches(['{', '}', ';']).split(", ") {
            exports.insert(name.to_owned(), room.to_owned());
        }
    }
    exports
}

/// The rooms that a room uses, by `crate::ROOM` and by what is exported at the top.
fn used(
    code: &str,
    exports: &BTreeMap<String, String>,
    rooms: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![
                rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap(),
            ],
        };
        for name in names
            .iter()
            .map(|name| name.trim().split("::").next().unwrap())
        {
            if let Some(room) = exports.get(name) {
                found.push(room.clone());
            } else if rooms.contains_key(name) {
                found.push(name.to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn dependencies_point_down_and_never_up() {
    let (rooms, exports) = (rooms(), exports());
    assert!(exports.len() > 15, "lib.rs is not read as it is written");
    let level = |room: &str| LAYERS.iter().position(|layer| layer.contains(&room));
    for (room, code) in rooms
        .iter()
        .filter(|(room, _)| !["lib", "main"].contains(&room.as_str()))
    {
        let own = level(room).unwrap_or_else(|| panic!("src/{room}.rs stands in no layer"));
        for other in used(code, &exports, &rooms)
            .iter()
            .filter(|other| *other != room)
        {
            let theirs =
                level(other).unwrap_or_else(|| panic!("src/{other}.rs stands in no layer"));
            assert!(
                theirs <= own,
                "src/{room} (layer {own}) uses src/{other} (layer {theirs})"
            );
        }
    }
}

#[test]
fn pure_files_hold_no_clock_and_do_no_input_or_output() {
    let rooms = rooms();
    for room in PURE {
        let code = &rooms[*room];
        for forbidden in [
            "Instant::now",
            "SystemTime::now",
            "std::fs",
            "std::env",
            "std::io",
            "rustix",
            "libc",
            "crate::sys",
        ] {
            assert!(!code.contains(forbidden), "src/{room} contains {forbidden}");
        }
    }
}

#[test]
fn unsafe_code_and_libc_stay_in_one_file() {
    for (room, code) in rooms().iter().filter(|(room, _)| room.as_str() != "sys") {
        for forbidden in [
            "unsafe {",
            "unsafe fn",
            "unsafe extern",
            "unsafe impl",
            "libc::",
        ] {
            assert!(!code.contains(forbidden), "src/{room} contains {forbidden}");
        }
    }
    for dir in ["tests", "examples", "benches"] {
        for file in rust_files(&root().join(dir))
            .iter()
            .filter(|file| !file.ends_with("tidy.rs"))
        {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(
                !text.contains("unsafe {"),
                "{} contains unsafe code",
                file.display()
            );
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let text = std::fs::read_to_string(root().join("src/sys.rs")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("unsafe {") || line.contains("#[unsafe("))
    {
        let above = &lines[at.saturating_sub(6)..at];
        assert!(
            above.iter().any(|line| line.contains("SAFETY:")),
            "sys.rs:{}: {line}",
            at + 1
        );
    }
}

#[test]
fn the_static_binaries_are_small_static_and_stripped() {
    let mut seen = 0;
    for arch in ["x86_64", "aarch64"] {
        let path = root().join("dist").join(arch).join("exitdir");
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        seen += 1;
        let size = bytes.len() as u64;
        assert!(
            size <= SIZE_LIMIT,
            "{} has {size} bytes, over {SIZE_LIMIT}",
            path.display()
        );
        println!("{}: {size} bytes", path.display());
        let (kinds, sections) = elf(&bytes);
        assert!(
            !kinds.contains(&PT_INTERP),
            "{} wants a dynamic linker",
            path.display()
        );
        assert!(
            !kinds.contains(&PT_DYNAMIC),
            "{} has relocations to do at its start",
            path.display()
        );
        assert!(
            !sections.contains(&SHT_SYMTAB),
            "{} was not stripped",
            path.display()
        );
    }
    let shipped = std::env::var_os("EXITDIR_TEST_BINARY").is_some();
    assert!(
        seen == 2 || !shipped,
        "scripts/build has not built both binaries"
    );
    if seen < 2 {
        println!(
            "skipped: the_static_binaries_are_small_static_and_stripped: run scripts/build first"
        );
    }
}

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const SHT_SYMTAB: u32 = 2;

/// The types of an ELF file's program headers and sections (elf(5), 64 bits, little endian).
fn elf(bytes: &[u8]) -> (Vec<u32>, Vec<u32>) {
    let word = |at: usize, size: usize| {
        bytes[at..at + size]
            .iter()
            .rev()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    assert_eq!(&bytes[..5], b"\x7fELF\x02");
    let (programs, sections) = (word(32, 8), word(40, 8));
    let (program_size, program_count) = (word(54, 2), word(56, 2));
    let (section_size, section_count) = (word(58, 2), word(60, 2));
    let kinds = (0..program_count)
        .map(|n| word(programs + n * program_size, 4) as u32)
        .collect();
    let types = (0..section_count)
        .map(|n| word(sections + n * section_size + 4, 4) as u32)
        .collect();
    (kinds, types)
}

#[test]
fn the_binary_under_test_is_there() {
    assert!(binary().is_file(), "{} is missing", binary().display());
}
