//! Archives for the fuzzer: made of choices, or of any bytes whose checksums are repaired (tar(5)).

use crate::fuzzing::input::Input;

const BLOCK: usize = 512;
/// Where a header has its size, checksum and type.
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;

const NAMES: [&str; 12] = [
    "a",
    "b",
    "c",
    "a/b",
    "b/c",
    "a/b/c",
    "",
    ".",
    "..",
    "../canary",
    "/etc",
    "./a/",
];
const KINDS: &[u8] = b"00000012225555D7S\x0034691xgLKVZ";
const KEYS: [&str; 9] = [
    "path",
    "linkpath",
    "size",
    "GNU.sparse.map",
    "GNU.sparse.major",
    "GNU.sparse.realsize",
    "GNU.sparse.name",
    "GNU.sparse.offset",
    "GNU.sparse.numbytes",
];

/// The bytes as blocks, each header with the checksum that it needs, and the end of an archive.
pub(super) fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut archive = bytes.to_vec();
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    let mut at = 0;
    while at < archive.len() {
        let header = &mut archive[at..at + BLOCK];
        if header.iter().any(|byte| *byte != 0) {
            set_checksum(header);
        }
        let digits = header[SIZE].iter().take_while(|byte| byte.is_ascii_digit());
        let size = digits.fold(0, |size: usize, digit| size * 8 + usize::from(digit - b'0'));
        at = at
            .saturating_add(BLOCK)
            .saturating_add(size.next_multiple_of(BLOCK));
    }
    archive.extend_from_slice(&[0; 2 * BLOCK]);
    archive
}

fn set_checksum(header: &mut [u8]) {
    header[CHECKSUM].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An archive whose members are chosen.
pub(super) fn generated(input: &mut Input<'_>) -> Vec<u8> {
    let mut archive = Vec::new();
    for _ in 0..16 {
        if input.is_empty() {
            break;
        }
        add_member(&mut archive, input);
    }
    archive.extend_from_slice(&[0; 2 * BLOCK]);
    archive
}

fn add_member(archive: &mut Vec<u8>, input: &mut Input<'_>) {
    let choice = input.byte();
    if choice & 0x80 != 0 {
        add_extension(archive, input);
    }
    let kind = KINDS[usize::from(input.byte()) % KINDS.len()];
    let (name, link) = (
        path(input),
        if matches!(kind, b'1' | b'2') {
            path(input)
        } else {
            vec![]
        },
    );
    let content = if choice & 0x40 != 0 {
        input.bytes()
    } else {
        &[]
    };
    let mut header = header(kind, &name, &link, content.len());
    for _ in 0..choice & 3 {
        let at = usize::from(input.byte()) << 1;
        header[at] = input.byte();
    }
    add(archive, &mut header, content);
}

/// A member that says something about the next one.
fn add_extension(archive: &mut Vec<u8>, input: &mut Input<'_>) {
    let kind = input.pick(b"xxxLKg");
    let content = match kind {
        b'x' => record(input.pick(&KEYS), &value(input)),
        _ => path(input),
    };
    add(
        archive,
        &mut header(kind, b"extension", b"", content.len()),
        &content,
    );
}

fn value(input: &mut Input<'_>) -> Vec<u8> {
    match input.byte() {
        0..100 => path(input),
        100..200 => input.byte().to_string().into_bytes(),
        _ => input.bytes().to_vec(),
    }
}

/// A record of pax(1): its length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let is_length = |length: &usize| length.to_string().len() + rest.len() == *length;
    let length = (rest.len()..).find(is_length).unwrap();
    [length.to_string().as_bytes(), &rest].concat()
}

fn path(input: &mut Input<'_>) -> Vec<u8> {
    match usize::from(input.byte()) {
        choice if choice < 200 => NAMES[choice % NAMES.len()].into(),
        choice if choice < 230 => [&*path(input), b"/", &path(input)].concat(),
        _ => input.bytes().to_vec(),
    }
}

fn header(kind: u8, name: &[u8], link: &[u8], size: usize) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let mut set = |at: usize, longest: usize, bytes: &[u8]| {
        let bytes = &bytes[..bytes.len().min(longest)];
        header[at..at + bytes.len()].copy_from_slice(bytes);
    };
    set(0, 100, name);
    set(100, 8, b"0000644\0");
    set(SIZE.start, 12, format!("{size:011o}\0").as_bytes());
    set(TYPE, 1, &[kind]);
    set(157, 100, link);
    set(
        257,
        8,
        if kind == b'S' {
            b"ustar  \0"
        } else {
            b"ustar\x0000"
        },
    );
    header
}

fn add(archive: &mut Vec<u8>, header: &mut [u8], content: &[u8]) {
    set_checksum(header);
    archive.extend_from_slice(header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}
