//! What the applets say to people: one line on standard error, with the applet's name.
//!
//! Speaking never fails and never blocks: a supervisor must not hang on a pipe that nobody reads.

use rustix::event::{PollFd, PollFlags, Timespec};
use std::fmt::Display;

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
pub(crate) struct Voice {
    applet: &'static str,
    level: Level,
}

impl Voice {
    pub(crate) const fn new(applet: &'static str) -> Voice {
        Voice {
            applet,
            level: Level::Normal,
        }
    }

    pub(crate) fn at(self, level: Level) -> Voice {
        Voice { level, ..self }
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

/// A pipe that `poll` calls writable takes this many bytes without blocking (`PIPE_BUF`, pipe(7)).
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
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let writable = rustix::event::poll(&mut ready, Some(&at_once));
    if matches!(writable, Ok(1..)) {
        // A closed or full stderr changes nothing: there is nobody else to tell.
        let _ = rustix::io::write(stderr, line.as_bytes());
    }
}
