//! Tidiness is tested too: the size and the kind of the static binaries.

use crate::support::sandbox::{binary, repository};
use std::path::Path;

/// What scripts/build makes, with and without `--small`: where, and the largest permitted size of a
/// binary in bytes.
const BUILDS: [(&str, u64); 2] = [("dist", 656_000), ("dist/small", 605_000)];

#[test]
fn the_static_binaries_are_small_static_and_stripped() {
    let mut seen = 0;
    for (directory, limit) in BUILDS {
        for arch in ["x86_64", "aarch64"] {
            let path = repository().join(directory).join(arch).join("exitdir");
            if let Ok(bytes) = std::fs::read(&path) {
                seen += 1;
                let limit = limit.max(limit_of_copy(arch, &bytes));
                assert_small_static_and_stripped(&path, &bytes, limit);
            }
        }
    }
    let shipped = std::env::var_os("EXITDIR_TEST_BINARY").is_some();
    assert!(
        seen == 4 || !shipped,
        "scripts/build has not built all binaries"
    );
    if seen < 4 {
        println!(
            "skipped: the_static_binaries_are_small_static_and_stripped: run scripts/build and \
             scripts/build --small first"
        );
    }
}

/// Without the source of the standard library, `--small` copies the plain binary: then the limit of
/// that one counts. 0 for another binary.
fn limit_of_copy(arch: &str, bytes: &[u8]) -> u64 {
    let (directory, limit) = BUILDS[0];
    let plain = std::fs::read(repository().join(directory).join(arch).join("exitdir"));
    let is_copy = plain.is_ok_and(|plain| plain == bytes);
    if is_copy { limit } else { 0 }
}

fn assert_small_static_and_stripped(path: &Path, bytes: &[u8], limit: u64) {
    let (path, size) = (path.display(), bytes.len() as u64);
    assert!(size <= limit, "{path} has {size} bytes, over {limit}");
    println!("{path}: {size} bytes");
    let (kinds, sections) = elf(bytes);
    assert!(!kinds.contains(&PT_INTERP), "{path} wants a dynamic linker");
    assert!(
        !kinds.contains(&PT_DYNAMIC),
        "{path} has relocations to do at its start"
    );
    assert!(!sections.contains(&SHT_SYMTAB), "{path} was not stripped");
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
