//! Names that no other process can guess or has chosen.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fmt::Write as _;

/// `N` random bytes in hexadecimal.
///
/// # Errors
/// None on a kernel that has getrandom(2), once its random number generator is ready.
pub(crate) fn hex<const N: usize>() -> Result<String, Errno> {
    let mut bytes = [0_u8; N];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        length += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // A write to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
