//! The environment of this process, and one with another variable in it for a child (environ(7)).
//!
//! Nothing in this program sets a variable of its own environment, and it has one thread.

use std::ffi::{CStr, CString, c_char};

unsafe extern "C" {
    /// The environment (environ(7)).
    static environ: *const *const c_char;
}

/// The environment of this process, as the kernel takes it.
pub(super) fn own() -> *const *const c_char {
    // SAFETY: a read of one pointer, which nothing changes (see the top of this file).
    unsafe { environ }
}

/// The entries of the environment of this process: `NAME=VALUE`.
pub(crate) fn entries() -> impl Iterator<Item = &'static CStr> {
    let mut next = own();
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: the array ends with a null pointer, and `next` never gets behind it.
        let entry = unsafe { *next };
        if entry.is_null() {
            return None;
        }
        // SAFETY: `next` is not at the null pointer that ends the array, so one more is inside.
        next = unsafe { next.add(1) };
        // SAFETY: each entry ends with NUL, and lives as long as the process because nothing
        // changes the environment.
        Some(unsafe { CStr::from_ptr(entry) })
    })
}

/// The environment of this process with one variable added or replaced; the other entries are the
/// same, byte for byte.
pub(super) struct Environment {
    /// The text to which the last of the pointers points.
    _variable: CString,
    pointers: Vec<*const c_char>,
}

impl Environment {
    /// `None` if the value has a NUL byte in it.
    pub(super) fn with((name, value): (&str, &str)) -> Option<Environment> {
        let variable = CString::new(format!("{name}={value}")).ok()?;
        let is_kept = |entry: &&CStr| {
            let rest = entry.to_bytes().strip_prefix(name.as_bytes());
            rest.is_none_or(|rest| !rest.starts_with(b"="))
        };
        let kept = entries().filter(is_kept).map(CStr::as_ptr);
        let mut pointers: Vec<*const c_char> = kept.collect();
        pointers.push(variable.as_ptr());
        pointers.push(std::ptr::null());
        Some(Environment {
            _variable: variable,
            pointers,
        })
    }

    /// The array as the kernel takes it. Valid as long as this value.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
