//! `/dev/termination-log`: where Kubernetes reads why a container ended.

use rustix::fs::{FileType, Mode, OFlags};

const PATH: &str = "/dev/termination-log";

/// Leaves the sentence there, if the file exists and nobody has said anything yet. It is a courtesy:
/// what goes wrong with it is not worth a word.
pub(crate) fn leave(sentence: &str) {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(PATH, flags, Mode::empty()) else {
        return;
    };
    let Ok(stat) = rustix::fs::fstat(&file) else {
        return;
    };
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0 {
        let _ = crate::sys::write::write_all(&file, format!("{sentence}\n").as_bytes());
    }
}
