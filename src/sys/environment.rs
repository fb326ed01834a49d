//! The environment of this process, which its children inherit, and one with another variable in it
//! for a single child (environ(7)).
//!
//! The texts of all entries live as long as the process. Only [`replace`] changes which of them are
//! in the environment, and the programs that call it have one thread.

use std::ffi::{CStr, CString, c_char};

unsafe extern "C" {
    /// The environment (environ(7)).
    static mut environ: *const *const c_char;
}

/// The environment of this process, as the kernel takes it.
pub(super) fn own() -> *const *const c_char {
    // SAFETY: a read of one pointer, which no other thread changes (see the top of this file).
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
        // SAFETY: each entry ends with NUL, and lives as long as the process (see the top of this
        // file).
        Some(unsafe { CStr::from_ptr(entry) })
    })
}

/// Makes the entries that `is_kept` accepts, byte for byte, and then `added` the environment of
/// this process and of its children.
pub(crate) fn replace(is_kept: impl Fn(&[u8]) -> bool, added: impl Iterator<Item = CString>) {
    let kept = entries().filter(|entry| is_kept(entry.to_bytes()));
    // They live as long as the process, as the entries that it was started with.
    let added = added.map(|entry| entry.into_raw().cast_const());
    let pointers = kept.map(CStr::as_ptr).chain(added);
    let pointers: Vec<*const c_char> = pointers.chain([std::ptr::null()]).collect();
    let pointers = pointers.leak().as_ptr();
    // SAFETY: a write of one pointer, which no other thread reads (see the top of this file). The
    // array ends with a null pointer, and is never freed.
    unsafe { environ = pointers };
}

/// The environment of this process with variables added or replaced; the other entries are the
/// same, byte for byte.
pub(super) struct Environment {
    /// The texts to which the last of the pointers point.
    _variables: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Environment {
    /// Names and values. `None` if there are none, or if one has a NUL byte in it.
    pub(super) fn with(variables: &[(&str, &str)]) -> Option<Environment> {
        if variables.is_empty() {
            return None;
        }
        let text = |(name, value): &(&str, &str)| CString::new([name, "=", value].concat()).ok();
        let texts: Vec<CString> = variables.iter().map(text).collect::<Option<_>>()?;
        let is_kept = |entry: &&CStr| {
            !variables.iter().any(|(name, _)| {
                let rest = entry.to_bytes().strip_prefix(name.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(b"="))
            })
        };
        let kept = entries().filter(is_kept).map(CStr::as_ptr);
        let added = texts.iter().map(|text| text.as_ptr());
        let pointers = kept.chain(added).chain([std::ptr::null()]).collect();
        Some(Environment {
            _variables: texts,
            pointers,
        })
    }

    /// The array as the kernel takes it. Valid as long as this value.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
