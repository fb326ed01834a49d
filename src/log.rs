//! Messages to people: one line on standard error, with the applet's name before it.
//!
//! Writing never fails and never blocks: a supervisor must not hang on a pipe that has no reader.

use crate::error::escaped;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use std::fmt::Display;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// Which messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors only.
    Quiet,
    /// Errors, and what exitdir does on its own initiative.
    Normal,
    /// Everything.
    Verbose,
}

/// Writes the messages of one applet.
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

    /// The message with the applet's name before it, as it stands on standard error.
    pub(crate) fn prefixed(&self, text: &str) -> String {
        format!("{}: {}", self.applet, escaped(text))
    }

    /// Something failed.
    pub(crate) fn error(&self, text: impl Display) {
        self.write(&text);
    }

    /// The applet does something on its own initiative.
    pub(crate) fn info(&self, text: impl Display) {
        if self.level >= Level::Normal {
            self.write(&text);
        }
    }

    /// Whether [`Logger::info`] writes anything.
    pub(crate) fn is_quiet(&self) -> bool {
        self.level < Level::Normal
    }

    /// Whether [`Logger::debug`] writes anything. Ask before composing a costly message.
    pub(crate) fn is_verbose(&self) -> bool {
        self.level >= Level::Verbose
    }

    /// A detail, for `--verbose`.
    pub(crate) fn debug(&self, text: impl Display) {
        if self.level >= Level::Verbose {
            self.write(&text);
        }
    }

    fn write(self, text: &dyn Display) {
        write_line(self.prefixed(&text.to_string()));
    }
}

/// A line at the end of a terminal that is rewritten in place. It needs no escape sequences, so
/// each terminal shows it.
#[derive(Debug, Default)]
pub(crate) struct StatusLine {
    /// The columns of what is shown.
    shown: usize,
}

impl StatusLine {
    /// Shows a text without control characters, cut to the columns of the terminal.
    pub(crate) fn show(&mut self, text: &str, columns: usize) {
        // In the last column the cursor would go to the next line.
        let (text, width) = cut(text, columns.saturating_sub(1));
        let rest = self.shown.saturating_sub(width);
        write_part(&format!("\r{text}{:rest$}", ""));
        self.shown = width;
    }

    pub(crate) fn erase(&mut self) {
        let shown = std::mem::take(&mut self.shown);
        if shown > 0 {
            write_part(&format!("\r{:shown$}\r", ""));
        }
    }

    /// Leaves what is shown: other output may stand in its place.
    pub(crate) fn leave(&mut self) {
        self.shown = 0;
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.erase();
    }
}

/// The beginning of a text that fits, and its width. Characters beyond ASCII can have two columns.
fn cut(text: &str, columns: usize) -> (&str, usize) {
    let mut width = 0;
    for (at, c) in text.char_indices() {
        let next = width + if c.is_ascii() { 1 } else { 2 };
        if next > columns {
            return (text.get(..at).unwrap_or_default(), width);
        }
        width = next;
    }
    (text, width)
}

fn write_part(text: &str) {
    // A terminal that is suspended (`^S`) takes nothing, and the next part shows more.
    let _ = write_unblocked(rustix::stdio::stderr(), text.as_bytes());
}

/// A pipe takes this many bytes whole or not at all (`PIPE_BUF`, pipe(7)).
const LINE_LIMIT: usize = 4096;

fn write_line(line: String) {
    let line = as_line(line);
    let stderr = rustix::stdio::stderr();
    // There is no other place for a message that a closed or full stderr does not take.
    let _ = write_unblocked(stderr, line.as_bytes());
}

/// A line of at most [`LINE_LIMIT`] bytes. What is cut off is shown by dots.
pub(crate) fn as_line(mut text: String) -> String {
    if text.len() >= LINE_LIMIT {
        let cut = (0..LINE_LIMIT - 4)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        text.push_str("...");
    }
    text.push('\n');
    text
}

fn write_unblocked(stderr: BorrowedFd<'_>, line: &[u8]) -> Result<usize, Errno> {
    // Stands for "the current position" in a file that has none (pwritev2(2)).
    const CURRENT_POSITION: u64 = u64::MAX;
    if is_pipe(stderr) {
        // Polling first is not enough: another writer can fill the pipe at any moment.
        let result = rustix::io::pwritev2(
            stderr,
            &[IoSlice::new(line)],
            CURRENT_POSITION,
            ReadWriteFlags::NOWAIT,
        );
        // Any other error comes from an old kernel or from a seccomp profile that lacks the call.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_the_columns_that_it_may_need() {
        for (text, columns, expected) in [
            ("abc", 3, ("abc", 3)),
            ("abc", 2, ("ab", 2)),
            ("abc", 0, ("", 0)),
            ("a\u{4e2d}b", 4, ("a\u{4e2d}b", 4)),
            ("a\u{4e2d}b", 3, ("a\u{4e2d}", 3)),
            ("a\u{4e2d}b", 2, ("a", 1)),
        ] {
            assert_eq!(cut(text, columns), expected, "{text} {columns}");
        }
    }
}
