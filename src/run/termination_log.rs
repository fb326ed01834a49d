//! The termination log: Kubernetes reads there why a container ended.

use crate::log::as_line;
use crate::sys::write::write_all;
use rustix::fs::{FileType, Mode, OFlags};
use std::path::Path;

/// Where the log is, unless the pod's `terminationMessagePath` says otherwise.
pub(crate) const DEFAULT_PATH: &str = "/dev/termination-log";

/// Writes the message to the file, if it exists and is empty. It is a courtesy to people, so errors
/// are ignored.
pub(crate) fn write(path: &Path, message: &str) {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
        return;
    };
    let Ok(stat) = rustix::fs::fstat(&file) else {
        return;
    };
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0 {
        // Kubernetes takes as much of it as one line has.
        let _ = write_all(&file, as_line(message.to_owned()).as_bytes());
    }
}
