//! The members of a tar archive, one after the other: what their headers say, and where their data
//! is. Decodes the extended headers of pax and of GNU tar, and their maps of sparse files.
//!
//! The `tar` crate decodes each block. It is not used for more, because it keeps extended headers
//! of any size in memory and does not know sparse files of pax.

use crate::managed::content::Piece;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

/// tar(5): an archive consists of blocks of this many bytes.
const BLOCK_SIZE: u64 = 512;
/// tar(5): an archive ends with two blocks of zeros.
const END_SIZE: u64 = 2 * BLOCK_SIZE;
pub(super) const NAME_TOO_LONG: &str = "the name is too long";
/// Bytes in a path: `PATH_MAX` of limits.h without the final NUL.
pub(super) const PATH_LIMIT: usize = 4095;
const NOT_AN_ARCHIVE: &str = "it is not a complete tar archive";
/// Bytes of an extended header, and of the map of a sparse file.
const EXTENSION_LIMIT: u64 = 1 << 20;
/// Pieces of one sparse file.
const MAP_LIMIT: usize = 16_384;

/// A file, a directory, or whatever its type says.
pub(super) struct Member {
    /// The type, as in the header.
    pub(super) kind: u8,
    pub(super) path: Vec<u8>,
    /// What a link leads to; empty if there is none.
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    /// Bytes of the content, with holes.
    pub(super) size: u64,
    pub(super) pieces: Vec<Piece>,
}

/// Reads the members of an archive.
pub(super) struct Members<'f> {
    file: &'f File,
    /// Where the blocks of zeros begin.
    end: u64,
    /// Where the next block is.
    next: u64,
}

/// What extended headers say about the next member.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax_path: Option<Vec<u8>>,
    pax_link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse_path: Option<Vec<u8>>,
    /// Bytes of a sparse file with its holes.
    sparse_size: Option<u64>,
    /// Where the pieces are in the content, and their sizes.
    map: Vec<(u64, u64)>,
    /// The map is before the data.
    has_map_in_data: bool,
}

impl<'f> Members<'f> {
    /// # Errors
    /// Why the file is no archive.
    pub(super) fn of(file: &'f File) -> Result<Members<'f>, String> {
        let size = file.metadata().map_err(broken)?.len();
        let mut last = [1; END_SIZE as usize];
        let end = size.checked_sub(END_SIZE).ok_or(NOT_AN_ARCHIVE)?;
        file.read_exact_at(&mut last, end).map_err(broken)?;
        if !size.is_multiple_of(BLOCK_SIZE) || last.iter().any(|byte| *byte != 0) {
            return Err(NOT_AN_ARCHIVE.to_owned());
        }
        let next = 0;
        Ok(Members { file, end, next })
    }

    /// # Errors
    /// Why the archive cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Member>, String> {
        let mut extensions: Option<Extensions> = None;
        while let Some(header) = self.header()? {
            let size = stored_size(&header)?;
            let kind = header.entry_type().as_byte();
            if !matches!(kind, b'L' | b'K' | b'x' | b'g' | b'V') {
                return self
                    .member(&header, extensions.unwrap_or_default())
                    .map(Some);
            }
            let data = self.skip(size)?;
            // A global header has no names or sizes that make sense; V is the label of a volume.
            if matches!(kind, b'g' | b'V') {
                continue;
            }
            let bytes = self.read(data, size)?;
            let extensions = extensions.get_or_insert_default();
            match kind {
                b'L' => extensions.path = Some(name(&bytes)?),
                b'K' => extensions.link = Some(name(&bytes)?),
                _ => extensions.read_pax(&bytes)?,
            }
        }
        match extensions {
            Some(_) => Err(broken("nothing follows an extended header")),
            None => Ok(None),
        }
    }

    /// The header at the next block; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, String> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        self.file.read_exact_at(block, self.next).map_err(broken)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sums = block.iter().enumerate().map(|(at, byte)| match at {
            // The field of the sum itself counts as spaces.
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        });
        if sums.sum::<u32>() != header.cksum().map_err(broken)? {
            return Err(broken("the checksum of a header is wrong"));
        }
        self.skip(BLOCK_SIZE)?;
        Ok(Some(header))
    }

    /// Goes on behind this many bytes. Returns where they are.
    fn skip(&mut self, size: u64) -> Result<u64, String> {
        let at = self.next;
        let end = size.checked_next_multiple_of(BLOCK_SIZE);
        let end = end.and_then(|size| at.checked_add(size));
        // Where a file full of zeros is cut off, its last bytes look like the end of an archive.
        let end = end.filter(|end| *end <= self.end).ok_or(NOT_AN_ARCHIVE)?;
        self.next = end;
        Ok(at)
    }

    fn read(&self, at: u64, size: u64) -> Result<Vec<u8>, String> {
        if size > EXTENSION_LIMIT {
            return Err("an extended header in it is too long".to_owned());
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, at).map_err(broken)?;
        Ok(bytes)
    }

    fn member(&mut self, header: &Header, mut extensions: Extensions) -> Result<Member, String> {
        let kind = header.entry_type().as_byte();
        let stored = match extensions.size {
            Some(size) => size,
            None => stored_size(header)?,
        };
        if kind == b'S' {
            let size = self.read_gnu_map(header, &mut extensions.map)?;
            extensions.sparse_size = Some(size);
        }
        let data = self.skip(stored)?;
        let (size, pieces) = self.content(&mut extensions, data..data + stored)?;
        let path = extensions.sparse_path.or(extensions.path);
        let path = path.or(extensions.pax_path);
        let link = extensions.link.or(extensions.pax_link);
        Ok(Member {
            kind,
            path: path.unwrap_or_else(|| header.path_bytes().into_owned()),
            link: link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned()),
            mode: header.mode().map_err(broken)?,
            size,
            pieces,
        })
    }

    /// The size of the content, and its pieces.
    fn content(
        &self,
        extensions: &mut Extensions,
        data: Range<u64>,
    ) -> Result<(u64, Vec<Piece>), String> {
        let stored = data.end - data.start;
        let mut before = 0;
        if extensions.has_map_in_data {
            let text = self.read(data.start, stored.min(EXTENSION_LIMIT))?;
            before = read_map(&text, &mut extensions.map)?;
        }
        match extensions.sparse_size {
            Some(size) => Ok((size, pieces(&extensions.map, size, data, before)?)),
            None if extensions.map.is_empty() => {
                let (at, stored_at, size) = (0, data.start, stored);
                Ok((
                    stored,
                    vec![Piece {
                        at,
                        stored_at,
                        size,
                    }],
                ))
            }
            None => Err(bad_map()),
        }
    }

    /// The map of a sparse file in the format of GNU tar. Returns its size with holes.
    fn read_gnu_map(&mut self, header: &Header, map: &mut Vec<(u64, u64)>) -> Result<u64, String> {
        let gnu = header.as_gnu().ok_or_else(bad_map)?;
        add_gnu(&gnu.sparse, map)?;
        let mut goes_on = gnu.is_extended();
        while goes_on {
            let mut more = GnuExtSparseHeader::new();
            let at = self.skip(BLOCK_SIZE)?;
            self.file
                .read_exact_at(more.as_mut_bytes(), at)
                .map_err(broken)?;
            add_gnu(more.sparse(), map)?;
            goes_on = more.is_extended();
        }
        gnu.real_size().map_err(broken)
    }
}

impl Extensions {
    /// pax(1): records of the form `length key=value\n`.
    fn read_pax(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        // Some programs fill the block with zeros.
        while bytes.first().is_some_and(|byte| *byte != 0) {
            let (key, value, rest) =
                split_record(bytes).ok_or_else(|| broken("an extended header makes no sense"))?;
            // Without a value, the header itself counts.
            if !value.is_empty() {
                self.set(key, value)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let as_number = || number(value).ok_or_else(|| broken("an extended header has no number"));
        match key {
            b"path" => self.pax_path = Some(name(value)?),
            b"linkpath" => self.pax_link = Some(name(value)?),
            b"size" => self.size = Some(as_number()?),
            b"GNU.sparse.name" => self.sparse_path = Some(name(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse_size = Some(as_number()?),
            b"GNU.sparse.major" => self.has_map_in_data = as_number()? == 1,
            b"GNU.sparse.offset" => push(&mut self.map, as_number()?, 0)?,
            b"GNU.sparse.numbytes" => {
                let size = as_number()?;
                self.map.last_mut().ok_or_else(bad_map)?.1 = size;
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|byte| *byte == b',').map(number);
                while let Some(at) = numbers.next() {
                    add(&mut self.map, at, numbers.next().flatten())?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The size of the data. GNU tar leaves the field of a volume label empty.
fn stored_size(header: &Header) -> Result<u64, String> {
    match header.as_old().size.iter().all(|byte| *byte == 0) {
        true => Ok(0),
        false => header.entry_size().map_err(broken),
    }
}

pub(super) fn broken(error: impl std::fmt::Display) -> String {
    format!("the archive is broken: {error}")
}

/// A path without what follows its first NUL.
fn name(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    if name.len() > PATH_LIMIT {
        return Err(NAME_TOO_LONG.to_owned());
    }
    Ok(name.to_owned())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The key and the value of the first record, and the records behind it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(bytes.get(..space)?)?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, rest))
}

fn bad_map() -> String {
    broken("the map of a sparse file makes no sense")
}

fn push(map: &mut Vec<(u64, u64)>, at: u64, size: u64) -> Result<(), String> {
    if map.len() == MAP_LIMIT {
        return Err(format!(
            "a sparse file in it has more than {MAP_LIMIT} pieces"
        ));
    }
    map.push((at, size));
    Ok(())
}

fn add(map: &mut Vec<(u64, u64)>, at: Option<u64>, size: Option<u64>) -> Result<(), String> {
    let (at, size) = at.zip(size).ok_or_else(bad_map)?;
    push(map, at, size)
}

fn add_gnu(entries: &[GnuSparseHeader], map: &mut Vec<(u64, u64)>) -> Result<(), String> {
    for entry in entries.iter().filter(|entry| !entry.is_empty()) {
        add(map, entry.offset().ok(), entry.length().ok())?;
    }
    Ok(())
}

/// Reads the map before the data of a sparse file: lines with the number of pieces, and the
/// position and the size of each. Returns where the data begins.
fn read_map(text: &[u8], map: &mut Vec<(u64, u64)>) -> Result<u64, String> {
    let mut used = 0;
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| {
        used += line.len() as u64 + 1;
        number(line)
    });
    let count = lines.next().flatten().ok_or_else(bad_map)?;
    map.clear();
    for _ in 0..count {
        add(map, lines.next().flatten(), lines.next().flatten())?;
    }
    drop(lines);
    Ok(used.next_multiple_of(BLOCK_SIZE))
}

/// Where the pieces of a sparse file are stored: one behind the other, each from a new block. Holes
/// are left out.
fn pieces(
    map: &[(u64, u64)],
    size: u64,
    data: Range<u64>,
    before: u64,
) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut used, mut end) = (Vec::new(), before, 0);
    for (at, length) in map.iter().copied().filter(|(_, length)| *length > 0) {
        let is_in_order = at >= end && used.is_multiple_of(BLOCK_SIZE);
        let stored_at = data.start + used;
        end = at.checked_add(length).ok_or_else(bad_map)?;
        used = used.checked_add(length).ok_or_else(bad_map)?;
        if !is_in_order || end > size || used > data.end - data.start {
            return Err(bad_map());
        }
        let size = length;
        pieces.push(Piece {
            at,
            stored_at,
            size,
        });
    }
    if used != data.end - data.start {
        return Err(bad_map());
    }
    Ok(pieces)
}
