//! What the applets say to people: one line on standard error, with the applet's name.
//!
//! Speaking never fails and never blocks: a supervisor must not hang on a pipe that nobody reads.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use std::fmt::Display;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors only.
    Quiet,
    /// What is done of one's own accord too.
    Normal,
    /// Everything.
    Verbose,
}

/// One applet's voice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logger {
    applet: &'static str,
    level: Level,
}

impl Logger {
    pub(crate) const fn new(applet: &'static str) -> Logger {
        Logger {
            applet,
            level: Level::Normal,
        }
    }

    pub(crate) fn at(self, level: Level) -> Logger {
        Logger { level, ..self }
    }

    /// The sentence with the applet's name before it, as it stands on standard error.
    pub(crate) fn signed(&self, text: &str) -> String {
        format!("{}: {}", self.applet, crate::error::escaped(text))
    }

    /// Something went wrong.
    pub(crate) fn error(&self, text: impl Display) {
        self.say(&text);
    }

    /// Something was done of one's own accord.
    pub(crate) fn notice(&self, text: impl Display) {
        if self.level >= Level::Normal {
            self.say(&text);
        }
    }

    /// Whether details are said: composing them costs something.
    pub(crate) fn is_verbose(&self) -> bool {
        self.level >= Level::Verbose
    }

    /// Something that only the curious want to know.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.level >= Level::Verbose {
            self.say(&text);
        }
    }

    fn say(self, text: &dyn Display) {
        write_line(self.signed(&text.to_string()));
    }
}

/// A pipe takes this many bytes at once or not at all (`PIPE_BUF`, pipe(7)).
const LINE_LIMIT: usize = 4096;

fn write_line(mut line: String) {
    if line.len() >= LINE_LIMIT {
        let cut = (0..LINE_LIMIT - 4)
            .rev()
            .find(|at| line.is_char_boundary(*at));
        line.truncate(cut.unwrap_or(0));
        line.push_str("...");
    }
    line.push('\n');
    let stderr = rustix::stdio::stderr();
    // A closed or full stderr changes nothing: there is nobody else to tell.
    let _ = write_unblocked(stderr, line.as_bytes());
}

fn write_unblocked(stderr: BorrowedFd<'_>, line: &[u8]) -> Result<usize, Errno> {
    // Where a position would be, for a file that has none (pwritev2(2)).
    const HERE: u64 = u64::MAX;
    if is_pipe(stderr) {
        // Whoever else writes into the pipe can fill it at any moment, so asking first is not enough.
        let result =
            rustix::io::pwritev2(stderr, &[IoSlice::new(line)], HERE, ReadWriteFlags::NOWAIT);
        // Any other answer is that of an old kernel, or of a seccomp profile that has never heard of the call.
        if matches!(result, Ok(_) | Err(Errno::AGAIN | Errno::PIPE)) {
            return result;
        }
    }
    let mut ready = [PollFd::from_borrowed_fd(stderr, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match rustix::event::poll(&mut ready, Some(&at_once))? {
        0 => Err(Errno::AGAIN),
        _ => rustix::io::write(stderr, line),
    }
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}
