//! What was typed: options, their variables, and the words that follow. No I/O but the environment.
//!
//! Each applet has one table of options; parsing, `--help` and the variables all follow from it.
//! What the values mean is for the applet.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

/// One option of an applet.
#[derive(Debug)]
pub(crate) struct Opt {
    pub(crate) short: Option<char>,
    /// Empty for an option that has a letter alone.
    pub(crate) long: &'static str,
    /// What the value is called in `--help`; `None` for a flag.
    pub(crate) value: Option<&'static str>,
    pub(crate) help: &'static str,
    pub(crate) variable: Variable,
    /// Where it stands in `--help`; empty among the others.
    pub(crate) heading: &'static str,
}

/// The environment variable of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    None,
    /// `EXITDIR_` and the long name in capitals.
    Derived,
    /// Another one.
    Named(&'static str),
}

/// The exit directory, for every applet.
pub(crate) const DIR: Opt = Opt {
    short: Some('d'),
    long: "dir",
    value: Some("DIR"),
    help: "the exit directory",
    variable: Variable::Named("EXIT_DIR"),
    heading: "",
};

/// The slow look, for every applet that waits.
pub(crate) const POLL: Opt = Opt {
    short: None,
    long: "poll",
    value: Some("DURATION"),
    help: "scan at least this often (default 10s; 1s where events may be lost)",
    variable: Variable::None,
    heading: "",
};

pub(crate) const HELP: Opt = flag(Some('h'), "help", "print this help");
pub(crate) const VERSION: Opt = flag(Some('V'), "version", "print the version");

/// A flag without a variable.
pub(crate) const fn flag(short: Option<char>, long: &'static str, help: &'static str) -> Opt {
    Opt {
        short,
        long,
        value: None,
        help,
        variable: Variable::None,
        heading: "",
    }
}

/// An option with a value and without a variable.
pub(crate) const fn valued(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> Opt {
    Opt {
        short,
        long,
        value: Some(value),
        help,
        variable: Variable::None,
        heading: "",
    }
}

impl Opt {
    /// The name of its variable, if it has one.
    pub(crate) fn variable_name(&self) -> Option<String> {
        match self.variable {
            Variable::None => None,
            Variable::Named(name) => Some(name.to_owned()),
            Variable::Derived => Some(format!(
                "EXITDIR_{}",
                self.long.to_ascii_uppercase().replace('-', "_")
            )),
        }
    }

    pub(crate) const fn under(self, heading: &'static str) -> Opt {
        Opt { heading, ..self }
    }

    pub(crate) const fn with_variable(self) -> Opt {
        Opt {
            variable: Variable::Derived,
            ..self
        }
    }
}

/// How the words that are no options are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Positionals {
    /// The first of them ends the options and begins a command.
    Command,
    /// They stand anywhere among the options; `--` begins a command.
    ThenCommand,
    /// They stand anywhere among the options.
    Only,
}

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct ParsedArgs {
    given: Vec<Occurrence>,
    pub(crate) words: Vec<OsString>,
    /// The command after `--` (or the first word), if there was one.
    pub(crate) command: Option<Vec<OsString>>,
    /// The first thing that was wrong. What else was typed is there all the same.
    pub(crate) error: Option<String>,
}

#[derive(Debug)]
struct Occurrence {
    long: &'static str,
    value: Option<OsString>,
    /// As it was spelled, for messages: `--name` or `EXITDIR_NAME`.
    spelled: String,
}

/// Reads a command line.
pub(crate) fn parse(
    table: &'static [&'static Opt],
    words: Positionals,
    arguments: Vec<OsString>,
) -> ParsedArgs {
    let mut typed = ParsedArgs::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    loop {
        if words != Positionals::Only && take_command(&mut parser, &mut typed) {
            break;
        }
        match parser.next() {
            Ok(None) => break,
            Ok(Some(lexopt::Arg::Value(word))) if words == Positionals::Command => {
                let rest = parser.raw_args().into_iter().flatten();
                typed.command = Some(std::iter::once(word).chain(rest).collect());
                break;
            }
            Ok(Some(lexopt::Arg::Value(word))) => typed.words.push(word),
            Ok(Some(lexopt::Arg::Short(c))) => {
                let known = table.iter().find(|opt| opt.short == Some(c)).copied();
                typed.accept(known, format!("-{c}"), &mut parser);
            }
            Ok(Some(lexopt::Arg::Long(name))) => {
                let named = |opt: &&&Opt| opt.long == name && !name.is_empty();
                let known = table.iter().find(named).copied();
                let spelled = format!("--{name}");
                typed.accept(known, spelled, &mut parser);
            }
            Err(error) => typed.wrong(error.to_string()),
        }
    }
    typed
}

/// Takes everything after a `--` that stands next.
fn take_command(parser: &mut lexopt::Parser, typed: &mut ParsedArgs) -> bool {
    let Some(rest) = parser.try_raw_args() else {
        return false;
    };
    if rest.peek() != Some(OsStr::new("--")) {
        return false;
    }
    typed.command = Some(rest.skip(1).collect());
    true
}

impl ParsedArgs {
    fn accept(
        &mut self,
        known: Option<&'static Opt>,
        spelled: String,
        parser: &mut lexopt::Parser,
    ) {
        let Some(opt) = known else {
            // Its value, if it has one attached, is none of ours either.
            let _ = parser.optional_value();
            return self.wrong(format!("unknown option {spelled}"));
        };
        let value = match opt.value.map(|_| parser.value()) {
            None => None,
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => return self.wrong(error.to_string()),
        };
        self.given.push(Occurrence {
            long: opt.long,
            value,
            spelled,
        });
    }

    pub(crate) fn wrong(&mut self, error: String) {
        self.error.get_or_insert(error);
    }

    /// A command that was given without any options.
    pub(crate) fn command(words: Vec<OsString>) -> ParsedArgs {
        ParsedArgs {
            command: Some(words),
            ..ParsedArgs::default()
        }
    }

    /// Gives an option a value that nothing else gives it. `spelled` is where that comes from, for messages.
    pub(crate) fn set_default(&mut self, opt: &Opt, value: OsString, spelled: &str) {
        if !self.has(opt) {
            self.given.push(Occurrence {
                long: opt.long,
                value: Some(value),
                spelled: spelled.to_owned(),
            });
        }
    }

    /// Adds what the environment says about options that were not typed. An empty variable is none.
    pub(crate) fn add_variables(&mut self, table: &'static [&'static Opt]) {
        for opt in table
            .iter()
            .filter(|opt| !self.has(opt))
            .collect::<Vec<_>>()
        {
            let Some(spelled) = opt.variable_name() else {
                continue;
            };
            let Some(value) = std::env::var_os(&spelled).filter(|value| !value.is_empty()) else {
                continue;
            };
            match (opt.value, value.to_str()) {
                (Some(_), _) => self.given.push(Occurrence {
                    long: opt.long,
                    value: Some(value),
                    spelled,
                }),
                (None, Some("1" | "true")) => self.given.push(Occurrence {
                    long: opt.long,
                    value: None,
                    spelled,
                }),
                (None, Some("0" | "false")) => {}
                (None, _) => {
                    let value = value.to_string_lossy().into_owned();
                    self.wrong(format!(
                        "{spelled} is {value:?}: expected 1, true, 0 or false"
                    ));
                }
            }
        }
    }

    /// Whether the option was given.
    pub(crate) fn has(&self, opt: &Opt) -> bool {
        self.given.iter().any(|given| given.long == opt.long)
    }

    /// How the option was spelled the last time: `--name`, `-n`, or its variable.
    pub(crate) fn spelled(&self, opt: &Opt) -> Option<&str> {
        self.last(opt).map(|given| given.spelled.as_str())
    }

    /// Of some flags the one that counts: the last that was typed, else the first whose variable is set.
    pub(crate) fn latest<'o>(&self, flags: &[&'o Opt]) -> Option<&'o Opt> {
        let flag = |given: &Occurrence| flags.iter().find(|opt| opt.long == given.long).copied();
        let typed = self
            .given
            .iter()
            .rev()
            .filter(|given| given.spelled.starts_with('-'));
        typed.chain(&self.given).find_map(flag)
    }

    fn last(&self, opt: &Opt) -> Option<&Occurrence> {
        self.given.iter().rev().find(|given| given.long == opt.long)
    }

    /// The last value of an option as it was typed.
    pub(crate) fn raw(&self, opt: &Opt) -> Option<&OsStr> {
        self.last(opt)?.value.as_deref()
    }

    /// The last value of an option, read by `read`, which answers with what was expected if it cannot.
    pub(crate) fn value<T>(
        &self,
        opt: &Opt,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.last(opt)
            .map(|given| given.read(given.text()?, &read))
            .transpose()
    }

    /// All values of an option, split at commas.
    pub(crate) fn list<T>(
        &self,
        opt: &Opt,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut values = Vec::new();
        for given in self.given.iter().filter(|given| given.long == opt.long) {
            for part in given.text()?.split(',') {
                values.push(given.read(part, &read)?);
            }
        }
        Ok(values)
    }
}

impl Occurrence {
    fn text(&self) -> Result<&str, String> {
        let value = self.value.as_deref().unwrap_or_default();
        value
            .to_str()
            .ok_or_else(|| format!("{} is {value:?}: not UTF-8", self.spelled))
    }

    fn read<T>(&self, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
        read(text).map_err(|expected| format!("{} is {text:?}: {expected}", self.spelled))
    }
}

/// What an applet is, for `--help` and for dispatch.
#[derive(Debug)]
pub(crate) struct CommandSpec {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    pub(crate) options: &'static [&'static Opt],
    pub(crate) notes: &'static str,
}

impl CommandSpec {
    /// The text of `--help`.
    pub(crate) fn help(&self) -> String {
        let mut text = format!(
            "Usage: {} {}\n\n{}\n\nOptions:\n",
            self.name, self.usage, self.about
        );
        let mut heading = "";
        for opt in self.options {
            if opt.heading != heading {
                heading = opt.heading;
                let _ = write!(text, "\n{heading}:\n");
            }
            let head = match (opt.short, opt.long) {
                (Some(c), "") => format!("  -{c}"),
                (Some(c), long) => format!("  -{c}, --{long}"),
                (None, long) => format!("      --{long}"),
            };
            let value = opt.value.map_or(String::new(), |value| format!(" {value}"));
            let head = format!("{head}{value}");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{head:<32} {}", opt.help);
        }
        if !self.notes.is_empty() {
            let _ = write!(text, "\n{}\n", self.notes);
        }
        text
    }
}
