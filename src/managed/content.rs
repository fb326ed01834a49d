//! The content of a file: what it is, and where its bytes are.
//!
//! Only one chunk of it is in memory. So what a file holds is known by its digest, and its bytes
//! are read again when they are copied.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes that are in memory at a time.
const CHUNK_SIZE: usize = 16 << 10;

/// The content of a file of a [`super::tree::Tree`].
#[derive(Clone, Debug)]
pub(super) struct FileContent {
    pub(super) digest: Digest,
    /// Where the pieces of a file in an archive are: indexes in the tree's list.
    pub(super) pieces: Range<usize>,
    /// Whether an entry is a hard link to the file.
    pub(super) is_linked: bool,
}

/// Tells one content from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Digest {
    pub(super) size: u64,
    /// 64 bits are few for a hash, so there are two. They have no key: deliberate collisions are no
    /// concern here.
    pub(super) hashes: [u64; 2],
}

impl Digest {
    /// Reads to the end, or until there are more than `limit` bytes. `each` gets every chunk.
    pub(super) fn of(
        source: &mut dyn Read,
        limit: u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Digest> {
        let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
        for (seed, hasher) in (0u8..).zip(&mut hashers) {
            seed.hash(hasher);
        }
        let mut buffer = [0; CHUNK_SIZE];
        let mut size = 0;
        loop {
            let chunk = fill(source, &mut buffer)?;
            for hasher in &mut hashers {
                hasher.write(chunk);
            }
            each(chunk);
            size += chunk.len() as u64;
            if chunk.len() < CHUNK_SIZE || size > limit {
                let hashes = hashers.map(|hasher| hasher.finish());
                return Ok(Digest { size, hashes });
            }
        }
    }
}

/// Reads until the buffer is full or the source ends.
fn fill<'b>(source: &mut dyn Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// A part of a file's content that is stored. What is between the pieces is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its position in the content.
    pub(super) at: u64,
    /// Where it is stored.
    pub(super) stored_at: u64,
    pub(super) size: u64,
}

/// Reads the content of `size` bytes that consists of these pieces of a file.
pub(super) struct PieceReader<'f> {
    file: &'f File,
    pieces: &'f [Piece],
    size: u64,
    /// The position in the content.
    at: u64,
}

impl<'f> PieceReader<'f> {
    /// The pieces follow each other.
    pub(super) fn new(file: &'f File, pieces: &'f [Piece], size: u64) -> PieceReader<'f> {
        PieceReader {
            file,
            pieces,
            size,
            at: 0,
        }
    }
}

impl Read for PieceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let [first, rest @ ..] = self.pieces
            && first.at + first.size <= self.at
        {
            self.pieces = rest;
        }
        let piece = self.pieces.first().filter(|piece| piece.at <= self.at);
        let end = match (piece, self.pieces.first()) {
            (Some(piece), _) => piece.at + piece.size,
            (None, Some(next)) => next.at,
            (None, None) => self.size,
        };
        let wanted = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = wanted.min(buffer.len());
        let part = buffer.get_mut(..length).unwrap_or_default();
        let read = match piece {
            Some(piece) => self
                .file
                .read_at(part, piece.stored_at + (self.at - piece.at))?,
            None => {
                part.fill(0);
                length
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}
