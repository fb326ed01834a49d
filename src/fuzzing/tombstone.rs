//! Tombstones: any bytes are read, what is written is read back, and what a strict YAML parser and
//! the reader both accept means the same.

use crate::fuzzing::input::Input;
use crate::fuzzing::{read_tombstone, written_tombstone};

/// The first byte says whether the others are a file, or values to be written.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => read_tombstone::check(&mut input),
        1 => read_tombstone::check_yaml(input.rest()),
        2 => written_tombstone::check(&mut input),
        _ => written_tombstone::check_append(&mut input),
    }
}
