//! What an applet accepts. Each applet has one table of options; parsing, the environment variables
//! and the text of `--help` all follow from it.

use super::variables::{DIR_VARIABLE, PREFIX};
use crate::spelling::{is_within, meant};

/// The column before the help of an option.
const HELP_COLUMN: usize = 33;
/// The longest line of `--help`.
const HELP_WIDTH: usize = 80;

/// One option of an applet.
#[derive(Debug)]
pub(super) struct Opt {
    pub(super) short: Option<char>,
    /// Empty for an option that has only a letter.
    pub(super) long: &'static str,
    /// The value's name in `--help`; `None` for a flag.
    pub(super) value: Option<&'static str>,
    /// Empty for an option that `--help` does not list.
    pub(super) help: &'static str,
    pub(super) variable: Variable,
    /// The heading of the group in `--help` that begins with this option; empty within a group.
    pub(super) heading: &'static str,
}

/// The environment variable of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    None,
    /// `EXITDIR_` and the long name in capitals.
    Derived,
    /// A name that does not follow from the option's.
    Named(&'static str),
}

/// The exit directory, for every applet.
pub(super) const DIR: Opt = Opt {
    short: Some('d'),
    long: "dir",
    value: Some("DIR"),
    help: "the exit directory (default $EXIT_DIR)",
    variable: Variable::Named(DIR_VARIABLE),
    heading: "",
};

/// The interval between rescans, for every applet that waits.
pub(super) const POLL: Opt = Opt {
    short: None,
    long: "poll",
    value: Some("DURATION"),
    help: "scan at least this often (100ms or more; default 10s, 1s where events may be lost)",
    variable: Variable::None,
    heading: "",
};

/// Messages, for every applet that prints any on its own.
pub(super) const QUIET: Opt = flag(Some('q'), "quiet", "print only errors").with_variable();

pub(super) const HELP: Opt = flag(Some('h'), "help", "print this help");
pub(super) const VERSION: Opt = flag(Some('V'), "version", "print the version");

/// A flag without a variable.
pub(super) const fn flag(short: Option<char>, long: &'static str, help: &'static str) -> Opt {
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
pub(super) const fn valued(
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
    pub(super) fn variable_name(&self) -> Option<String> {
        match self.variable {
            Variable::None => None,
            Variable::Named(name) => Some(name.to_owned()),
            Variable::Derived => Some(self.derived_name()),
        }
    }

    /// `EXITDIR_` and the long name in capitals.
    fn derived_name(&self) -> String {
        let rest = self.long.bytes().map(in_variable).map(char::from);
        PREFIX.chars().chain(rest).collect()
    }

    /// The default, where `--help` names one: as in `(default 30s)`, or in `never (default)`.
    pub(super) fn default(&self) -> Option<&'static str> {
        let (before, after) = self.help.split_once("(default")?;
        match after.strip_prefix(' ') {
            Some(default) => default.split([')', ',']).next(),
            None if after.starts_with(')') => before.split_whitespace().next_back(),
            None => None,
        }
    }

    /// Whether each value counts, and not only the last one.
    pub(super) fn is_repeatable(&self) -> bool {
        let is_list = |text: &str| text.contains(",...") || text.contains("repeatable");
        is_list(self.help) || self.value.is_some_and(is_list)
    }

    /// Whether this is the name of its variable.
    pub(super) fn is_variable(&self, name: &str) -> bool {
        match self.variable {
            Variable::None => false,
            Variable::Named(own) => own == name,
            Variable::Derived => name
                .strip_prefix(PREFIX)
                .is_some_and(|rest| rest.bytes().eq(self.long.bytes().map(in_variable))),
        }
    }

    /// The name of its variable, if a typing error made `name` of it. For `EXIT_DIR`, people write
    /// the name that it would have if it were derived.
    pub(super) fn variable_meant_by(&self, name: &str) -> Option<String> {
        let own = self.variable_name()?;
        let is_meant = is_within(name, &own, 1) || self.derived_name() == name;
        is_meant.then_some(own)
    }

    /// What `--help` says about it: its names, then its help in a column of its own.
    fn help_lines(&self) -> String {
        let name = match (self.short, self.long) {
            (Some(short), "") => format!("  -{short}"),
            (Some(short), long) => format!("  -{short}, --{long}"),
            (None, long) => format!("      --{long}"),
        };
        let value = self.value.unwrap_or_default();
        let mut text = format!("{:<HELP_COLUMN$}", format!("{name} {value}"));
        let mut column = HELP_COLUMN;
        for word in self.help.split(' ') {
            if column + 1 + word.len() > HELP_WIDTH {
                text.push_str(&format!("\n{:HELP_COLUMN$}", ""));
                column = HELP_COLUMN;
            }
            text.push(' ');
            text.push_str(word);
            column += 1 + word.len();
        }
        text.push('\n');
        text
    }

    /// The option at the head of a group.
    pub(super) const fn under(self, heading: &'static str) -> Opt {
        Opt { heading, ..self }
    }

    pub(super) const fn with_variable(self) -> Opt {
        Opt {
            variable: Variable::Derived,
            ..self
        }
    }
}

/// A byte of a long name in the name of the variable.
fn in_variable(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_uppercase(),
    }
}

/// What the arguments that are not options mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Positionals {
    /// The first of them ends the options and begins a command.
    Command,
    /// They may stand anywhere among the options; `--` begins a command.
    ThenCommand,
    /// They may stand anywhere among the options. There is no command.
    Only,
}

/// An applet's command line.
#[derive(Debug)]
pub(super) struct CommandSpec {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    pub(super) about: &'static str,
    pub(super) options: &'static [&'static Opt],
    pub(super) positionals: Positionals,
    pub(super) notes: &'static str,
    /// Two commands, each below a comment that says what it does.
    pub(super) examples: [&'static str; 2],
}

impl CommandSpec {
    /// The option of this long name.
    pub(super) fn long(&self, long: &str) -> Option<&'static Opt> {
        let mut options = self.options.iter().copied();
        options.find(|opt| opt.long == long && !long.is_empty())
    }

    /// The long name that was probably meant by another one.
    pub(super) fn meant_by(&self, long: &str) -> Option<&'static str> {
        let names = self.options.iter().map(|opt| opt.long);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        meant(long, &names)
    }

    /// The text of `--help`.
    pub(super) fn help(&self) -> String {
        let mut text = format!("Usage: {} {}\n\n{}\n", self.name, self.usage, self.about);
        let mut heading = "Options";
        for opt in self.options.iter().filter(|opt| !opt.help.is_empty()) {
            if !opt.heading.is_empty() {
                heading = opt.heading;
            }
            let heading = std::mem::take(&mut heading);
            if !heading.is_empty() {
                text.push_str(&format!("\n{heading}:\n"));
            }
            text.push_str(&opt.help_lines());
        }
        let [first, second] = self.examples;
        text.push_str(&format!(
            "\n{}\n\nExamples:\n{first}\n{second}\n",
            self.notes
        ));
        text
    }

    /// The text of `--version`.
    pub(super) fn version(&self) -> String {
        version(self.name)
    }

    /// What is wrong with the command line, and where to read more.
    pub(super) fn usage_error(&self, sentence: &str) -> String {
        format!("{sentence} (see {} --help)", self.name)
    }
}

/// The text of `--version` of a program.
pub(super) fn version(program: &str) -> String {
    format!("{program} {}\n", env!("CARGO_PKG_VERSION"))
}
