//! `tini`, `docker-init` and their kind: exitdir-run with the options and variables of tini 0.19.
//! Variables of exitdir are not read, and CMD gets them: it may be an exitdir-run itself.

use super::args::ParsedArgs;
use super::entry::print;
use super::run::ProcessOptions;
use super::run_options::{EXPECT_CODE, GROUP, PARENT_DEATH_SIGNAL, SUBREAPER, VERBOSE};
use super::run_plan::plan;
use super::spec::QUIET;
use super::values::{read_code, read_death_signal};
use crate::error::describe;
use crate::log::Logger;
use crate::protocol::program::CATATONIT;
use crate::run::plan::TiniMessages;
use crate::run::supervise;
use crate::sys::environment;
use crate::sys::process::reaps_orphans;
use crate::sys::signals::Signals;
use rustix::process::getppid;
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// tini's status for wrong usage and for a failure of its own.
const FAILURE: u8 = 1;
/// tini's verbosity: 0 is only errors, 1 warnings too; from 2 on it tells what it does, and from 3
/// on which signals it receives.
const DEFAULT_VERBOSITY: i32 = 1;

/// dockerd takes the version from the first part, and the commit from `git.` and one more word.
const VERSION: &str = concat!(
    "tini version 0.19.0 (exitdir ",
    env!("CARGO_PKG_VERSION"),
    ") - git.exitdir\n"
);
const LICENSE: &str = "exitdir has the Apache License, Version 2.0: \
                       https://www.apache.org/licenses/LICENSE-2.0\n";
const OPTIONS: &str = "\
    Execute a program under the supervision of a valid init process. This is\n\
    exitdir-run with the options and variables of tini.\n\n\
    Options:\n\
    \x20 -s          adopt and reap orphans even when not PID 1\n\
    \x20 -p SIGNAL   receive SIGNAL when the parent process dies\n\
    \x20 -g          send signals to the process group of PROGRAM\n\
    \x20 -e CODE     treat the exit status CODE as 0; repeatable\n\
    \x20 -v          generate more verbose output; repeatable\n\
    \x20 -w          print a warning when orphans are reaped\n\
    \x20 -h          print this help\n\
    \x20 -l          print the license\n\
    \x20 --version   print the version\n\n\
    Variables: TINI_SUBREAPER (-s), TINI_KILL_PROCESS_GROUP (-g), TINI_VERBOSITY\n\
    (default 1).\n\n\
    Exit status: that of PROGRAM; 128+n if signal n ended it; 126 or 127 if PROGRAM\n\
    cannot be executed or was not found; 1 failure or wrong usage.\n";
const NO_PAUSE: &str = "-P is refused: exitdir is no pause process, so podman needs catatonit itself \
                        for it";
const NOT_A_REAPER: &str = "not PID 1 and no child subreaper, so zombie reaping won't work: use -s, \
                            set TINI_SUBREAPER, or run it as PID 1";

/// What was typed and set.
struct Options {
    args: ParsedArgs,
    verbosity: i32,
    warns_of_reaping: bool,
}

/// Why no command is run.
enum NoRun {
    /// A text was asked for.
    Print(String),
    /// Wrong usage, in one sentence.
    Refuse(String),
    /// Wrong usage, with what getopt(3) says about it. The usage follows.
    Usage(Option<String>),
}

/// `name` is how it was called.
pub(super) fn main(name: &'static str, arguments: Vec<OsString>) -> u8 {
    let log = Logger::new(name);
    let mut options = match read(name, arguments) {
        Ok(options) => options,
        Err(NoRun::Print(text)) => return print(name, &text),
        Err(NoRun::Refuse(sentence)) => return fail(log, &sentence),
        Err(NoRun::Usage(mistake)) => {
            if let Some(mistake) = mistake {
                log.error(mistake);
            }
            // There is no other place for it.
            let _ = rustix::io::write(rustix::stdio::stderr(), usage(name).as_bytes());
            return FAILURE;
        }
    };
    options.add_variables();
    run(log, &options).unwrap_or_else(|sentence| fail(log, &sentence))
}

fn fail(log: Logger, sentence: &str) -> u8 {
    log.error(sentence);
    FAILURE
}

fn usage(name: &str) -> String {
    format!("Usage: {name} [OPTION]... [--] PROGRAM [ARG]... | --version\n\n{OPTIONS}")
}

fn run(log: Logger, options: &Options) -> Result<u8, String> {
    let parent = getppid();
    let signals =
        Signals::block().map_err(|error| format!("cannot block signals: {}", describe(&error)))?;
    let mut plan = plan(&options.args, log)?;
    // It belongs to an exitdir-run in CMD, if any.
    plan.termination_log = PathBuf::new();
    plan.tini = TiniMessages {
        tells_of_signals: options.verbosity >= 3,
        warns_of_reaping: options.warns_of_reaping,
    };
    ProcessOptions::new(&options.args).apply(parent)?;
    if !reaps_orphans() {
        plan.logger.info(NOT_A_REAPER);
    }
    supervise(&plan, None, &signals)
}

/// Reads the command line as getopt(3) does, up to the first word that is no option.
fn read(name: &str, arguments: Vec<OsString>) -> Result<Options, NoRun> {
    if let [only] = arguments.as_slice()
        && only == "--version"
    {
        return Err(NoRun::Print(VERSION.to_owned()));
    }
    let mut options = Options {
        args: ParsedArgs::default(),
        verbosity: DEFAULT_VERBOSITY,
        warns_of_reaping: false,
    };
    let mut words = arguments.into_iter().peekable();
    let is_option = |word: &OsString| word.len() > 1 && word.as_bytes().starts_with(b"-");
    while let Some(word) = words.next_if(is_option) {
        if word == "--" {
            break;
        }
        let mut letters = word.as_bytes().get(1..).unwrap_or_default();
        while let Some((letter, after)) = letters.split_first() {
            letters = match letter {
                b'e' | b'p' => {
                    let attached = Some(after).filter(|attached| !attached.is_empty());
                    let attached = attached.map(|bytes| OsStr::from_bytes(bytes).to_owned());
                    options.set(*letter, attached.or_else(|| words.next()))?;
                    &[]
                }
                _ => {
                    options.accept(name, char::from(*letter))?;
                    after
                }
            };
        }
    }
    let command: Vec<OsString> = words.collect();
    if command.is_empty() {
        return Err(NoRun::Usage(None));
    }
    options.args.command = Some(command);
    Ok(options)
}

impl Options {
    /// An option without a value.
    fn accept(&mut self, name: &str, letter: char) -> Result<(), NoRun> {
        match (letter, name == CATATONIT) {
            ('s', _) => self.args.give(&SUBREAPER, None, "-s"),
            ('g', _) => self.args.give(&GROUP, None, "-g"),
            ('v', _) => self.verbosity = self.verbosity.saturating_add(1),
            ('w', _) => self.warns_of_reaping = true,
            ('h', _) => return Err(NoRun::Print(usage(name))),
            ('l', _) | ('L', true) => return Err(NoRun::Print(LICENSE.to_owned())),
            ('V', true) => return Err(NoRun::Print(VERSION.to_owned())),
            ('P', true) => return Err(NoRun::Refuse(NO_PAUSE.to_owned())),
            (other, _) => {
                return Err(NoRun::Usage(Some(format!("invalid option -- '{other}'"))));
            }
        }
        Ok(())
    }

    /// An option with a value.
    fn set(&mut self, letter: u8, value: Option<OsString>) -> Result<(), NoRun> {
        let (opt, spelling) = match letter {
            b'e' => (&EXPECT_CODE, "-e"),
            _ => (&PARENT_DEATH_SIGNAL, "-p"),
        };
        let Some(value) = value else {
            let mistake = format!("option requires an argument -- '{}'", char::from(letter));
            return Err(NoRun::Usage(Some(mistake)));
        };
        let text = value.to_str().unwrap_or_default();
        let read = match letter {
            b'e' => read_code(text).map(drop),
            _ => read_death_signal(text).map(drop),
        };
        read.map_err(|expected| {
            NoRun::Refuse(format!(
                "Not a valid option for {spelling}: {text:?}: {expected}"
            ))
        })?;
        self.args.give(opt, Some(value), spelling);
        Ok(())
    }

    /// Adds what tini's variables say. An empty one counts as set, as for tini.
    fn add_variables(&mut self) {
        for entry in environment::entries().map(CStr::to_bytes) {
            if entry.starts_with(b"TINI_SUBREAPER=") {
                self.args.give(&SUBREAPER, None, "TINI_SUBREAPER");
            } else if entry.starts_with(b"TINI_KILL_PROCESS_GROUP=") {
                self.args.give(&GROUP, None, "TINI_KILL_PROCESS_GROUP");
            } else if let Some(level) = entry.strip_prefix(b"TINI_VERBOSITY=") {
                // As atoi(3).
                let level = std::str::from_utf8(level).unwrap_or_default();
                self.verbosity = level.trim().parse().unwrap_or(0);
            }
        }
        match self.verbosity {
            ..=0 => self.args.give(&QUIET, None, "TINI_VERBOSITY"),
            1 => {}
            2.. => self.args.give(&VERBOSE, None, "-v"),
        }
    }
}
