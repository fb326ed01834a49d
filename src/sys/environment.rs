//! The environment of this process, which its children inherit, and one with other variables in it
//! for a single child (environ(7)).
//!
//! The texts of all entries live as long as the process. Only [`replace`] changes which of them are
//! in the environment, and the programs that call it have one thread.

use rustix::process::{RawPid, getpid};
use std::cell::Cell;
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
pub(super) struct Environment<'a> {
    /// The texts to which the last of the pointers point.
    _variables: Vec<CString>,
    pointers: Vec<*const c_char>,
    listen_pid: Option<&'a ListenPid>,
}

impl<'a> Environment<'a> {
    /// Names and values, and `LISTEN_PID`. `None` if there are none, or if one has a NUL byte.
    pub(super) fn with(
        variables: &[(&str, &str)],
        listen_pid: Option<&'a ListenPid>,
    ) -> Option<Environment<'a>> {
        if variables.is_empty() && listen_pid.is_none() {
            return None;
        }
        let text = |(name, value): &(&str, &str)| CString::new([name, "=", value].concat()).ok();
        let texts: Vec<CString> = variables.iter().map(text).collect::<Option<_>>()?;
        let is_kept = |entry: &&CStr| {
            let names = variables.iter().map(|(name, _)| *name);
            !names.chain(listen_pid.map(|_| LISTEN_PID)).any(|name| {
                let rest = entry.to_bytes().strip_prefix(name.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(b"="))
            })
        };
        let kept = entries().filter(is_kept).map(CStr::as_ptr);
        let added = texts.iter().map(|text| text.as_ptr());
        let added = added.chain(listen_pid.map(ListenPid::as_ptr));
        let pointers = kept.chain(added).chain([std::ptr::null()]).collect();
        Some(Environment {
            _variables: texts,
            pointers,
            listen_pid,
        })
    }

    /// The array as the kernel takes it. Valid as long as this value.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// Writes the id of the child into the environment, if it is there. Async-signal-safe.
    pub(super) fn set_listen_pid(&self, pid: RawPid) {
        if let Some(listen_pid) = self.listen_pid {
            listen_pid.set(pid);
        }
    }
}

/// The process that the descriptors of socket activation are for (sd_listen_fds(3)).
const LISTEN_PID: &str = "LISTEN_PID";
/// Room for the name, `=`, the digits of a process id, and a NUL.
const LISTEN_PID_SIZE: usize = 24;

/// The variable `LISTEN_PID` of a child that is not there yet.
pub(super) struct ListenPid([Cell<u8>; LISTEN_PID_SIZE]);

impl ListenPid {
    /// `None` unless the descriptors of socket activation are for this process.
    pub(super) fn of_child() -> Option<ListenPid> {
        is_listening().then_some(ListenPid([const { Cell::new(0) }; LISTEN_PID_SIZE]))
    }

    fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    fn set(&self, pid: RawPid) {
        let mut digits = [0_u8; 10];
        let mut rest = pid.unsigned_abs();
        let mut count = 0;
        for digit in &mut digits {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.into_iter().take(count).rev();
        let text = LISTEN_PID.bytes().chain([b'=']).chain(digits);
        for (place, byte) in self.0.iter().zip(text) {
            place.set(byte);
        }
    }
}

/// Whether the descriptors of socket activation are for this process.
pub(crate) fn is_listening() -> bool {
    listen_value("LISTEN_PID=").is_some_and(|pid| pid == getpid().as_raw_pid())
}

/// How many descriptors, from 3 on, are for this process by socket activation.
pub(crate) fn listen_count() -> i32 {
    let count = is_listening().then(|| listen_value("LISTEN_FDS="));
    count.flatten().unwrap_or(0)
}

fn listen_value(prefix: &str) -> Option<i32> {
    let value = entries().find_map(|entry| entry.to_bytes().strip_prefix(prefix.as_bytes()));
    std::str::from_utf8(value?).ok()?.parse().ok()
}
