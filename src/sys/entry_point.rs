//! The `main` that the C library calls, in place of the one of Rust's runtime.
//!
//! Before `main` the runtime makes a dozen system calls, and aborts where a seccomp profile refuses
//! one of them. This program needs none of them: `src/sys/startup.rs` does what is left to do.
//!
//! It is a module of `main.rs`, not of the library, which has no `main`.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

/// Defines `main`, which runs a function with the words of the command line.
macro_rules! entry_point {
    ($main:path) => {
        // SAFETY: the name and the signature are those of the function that the C library calls
        // once, with the number of words and an array of them (ISO C, 5.1.2.2.1).
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: std::ffi::c_int,
            words: *const *const std::ffi::c_char,
        ) -> std::ffi::c_int {
            entry_point::arguments(count, words)
                .map_or(125, $main)
                .into()
        }
    };
}

/// The words of the command line. `None`, after a message, if there is no memory for them: a
/// refused mmap(2) is noticed here, because nothing was allocated before.
#[allow(unsafe_code)]
pub(super) fn arguments(count: c_int, words: *const *const c_char) -> Option<Vec<OsString>> {
    let count = usize::try_from(count).unwrap_or_default();
    let mut arguments = Vec::new();
    if arguments.try_reserve_exact(count).is_err() {
        let message = "exitdir: cannot allocate memory\n";
        // There is no other place for the message.
        let _ = rustix::io::write(rustix::stdio::stderr(), message.as_bytes());
        return None;
    }
    for at in 0..count {
        // SAFETY: the array has `count` words.
        let word = unsafe { words.add(at) };
        // SAFETY: as above.
        let word = unsafe { word.read() };
        // SAFETY: each word ends with NUL, and lives as long as the process.
        let word = unsafe { CStr::from_ptr(word) };
        arguments.push(OsString::from_vec(word.to_bytes().to_vec()));
    }
    Some(arguments)
}
