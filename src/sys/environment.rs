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
        let mut pointers = Vec::new();
        let mut next = own();
        while !next.is_null() {
            // SAFETY: the array ends with a null pointer, at which the loop ends, so `next` is
            // inside.
            let entry = unsafe { *next };
            if entry.is_null() {
                break;
            }
            // SAFETY: each entry ends with NUL, and lives as long as the process because nothing
            // changes the environment.
            let text = unsafe { CStr::from_ptr(entry) }.to_bytes();
            let is_replaced = text
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.starts_with(b"="));
            if !is_replaced {
                pointers.push(entry);
            }
            // SAFETY: `next` is not at the null pointer that ends the array, so one more is inside.
            next = unsafe { next.add(1) };
        }
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
