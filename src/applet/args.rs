//! What was typed: options, their variables, and the other arguments. No I/O. What the values mean
//! is for each applet.

use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals};
use super::variables::{Variables, is_of_service};
use crate::spelling::is_within;
use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What does what `--pass-code` has done.
const IN_ITS_PLACE: &str = "--stop-code own";

/// What was typed.
#[derive(Debug, Default)]
pub(super) struct ParsedArgs {
    options: Vec<Occurrence>,
    /// The arguments that are neither options nor a command.
    pub(super) positionals: Vec<OsString>,
    /// The command after `--`, or after the first argument that is no option, if there was one.
    pub(super) command: Option<Vec<OsString>>,
    /// The first mistake. Everything else that was typed is there all the same.
    error: OnceCell<String>,
    /// What a user should know about variables that have no effect.
    pub(super) notices: Vec<String>,
    /// `EXIT_DIR` is set and empty, and no `--dir` was given: there are no names.
    pub(super) names_are_off: bool,
}

/// An option with its value, as it was typed or set.
#[derive(Debug)]
struct Occurrence {
    long: &'static str,
    value: Option<OsString>,
    /// `--name`, `-n` or `EXITDIR_NAME`, for messages.
    spelling: String,
    source: ValueSource,
}

/// Where the value of an option comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueSource {
    Typed,
    Variable,
    /// A variable of the program kubexit, or its default.
    Kubexit,
}

/// Reads a command line.
pub(super) fn parse(spec: &CommandSpec, arguments: Vec<OsString>) -> ParsedArgs {
    let mut args = ParsedArgs::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    loop {
        if args.accept_rest(spec.positionals, &mut parser) {
            return args;
        }
        if args.accept_one_dash(spec, &mut parser) {
            continue;
        }
        match parser.next() {
            Ok(None) => return args,
            Ok(Some(lexopt::Arg::Value(first))) if spec.positionals == Positionals::Command => {
                let rest = parser.raw_args().into_iter().flatten();
                args.command = Some(std::iter::once(first).chain(rest).collect());
                return args;
            }
            Ok(Some(lexopt::Arg::Value(positional))) => args.positionals.push(positional),
            Ok(Some(lexopt::Arg::Short(short))) => {
                let spelling = format!("-{short}");
                match spec.options.iter().find(|opt| opt.short == Some(short)) {
                    Some(opt) => args.accept(opt, spelling, &mut parser),
                    None => args.refuse_option(&spelling, None, &mut parser),
                }
            }
            Ok(Some(lexopt::Arg::Long(long))) => {
                let spelling = ["--", long].concat();
                match spec.long(long) {
                    Some(opt) => args.accept(opt, spelling, &mut parser),
                    None => args.refuse_option(&spelling, spec.meant_by(long), &mut parser),
                }
            }
            Err(error) => args.refuse(error.to_string()),
        }
    }
}

impl ParsedArgs {
    /// A command without any options.
    pub(super) fn command(command: Vec<OsString>) -> ParsedArgs {
        ParsedArgs {
            command: Some(command),
            ..ParsedArgs::default()
        }
    }

    /// Takes everything after `--`, if that is the next argument.
    fn accept_rest(&mut self, positionals: Positionals, parser: &mut lexopt::Parser) -> bool {
        let Some(rest) = parser.try_raw_args() else {
            return false;
        };
        if rest.peek() != Some(OsStr::new("--")) {
            return false;
        }
        let rest = rest.skip(1);
        match positionals {
            Positionals::Only => self.positionals.extend(rest),
            Positionals::Command | Positionals::ThenCommand => self.command = Some(rest.collect()),
        }
        true
    }

    /// Refuses a long option with one dash: `-name main` would be the name `ame`. `--name` counts
    /// as meant, so the failure is recorded under the right name. `-help` has always been `-h`.
    fn accept_one_dash(&mut self, spec: &CommandSpec, parser: &mut lexopt::Parser) -> bool {
        let Some(mut rest) = parser.try_raw_args() else {
            return false;
        };
        let word = rest.peek().map(|word| word.as_bytes());
        let Some(word) = word.and_then(|word| word.strip_prefix(b"-")) else {
            return false;
        };
        let mut parts = word.splitn(2, |byte| *byte == b'=');
        let long = parts.next().and_then(|long| std::str::from_utf8(long).ok());
        let opt = long.and_then(|long| spec.long(long));
        let Some(opt) = opt.filter(|opt| opt.long != HELP.long) else {
            return false;
        };
        let value = parts
            .next()
            .map(|value| OsStr::from_bytes(value).to_owned());
        let _: Option<OsString> = rest.next();
        let spelling = format!("--{}", opt.long);
        self.refuse(format!(
            "unknown option -{}: did you mean {spelling}?",
            opt.long
        ));
        match value {
            Some(value) => self.give(opt, Some(value), &spelling),
            None => self.accept(opt, spelling, parser),
        }
        true
    }

    fn refuse_option(&self, spelling: &str, meant: Option<&str>, parser: &mut lexopt::Parser) {
        // Drops an attached value too, or it would be read as an option.
        let _ = parser.optional_value();
        self.refuse(match (spelling, meant) {
            ("--pass-code", _) => format!("{spelling} was replaced: use {IN_ITS_PLACE}"),
            (_, Some(meant)) => format!("unknown option {spelling}: did you mean --{meant}?"),
            (_, None) => format!("unknown option {spelling}"),
        });
    }

    fn accept(&mut self, opt: &Opt, spelling: String, parser: &mut lexopt::Parser) {
        let value = match opt.value.map(|_| parser.value()) {
            None => None,
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => return self.refuse(error.to_string()),
        };
        self.options.push(Occurrence {
            long: opt.long,
            value,
            spelling,
            source: ValueSource::Typed,
        });
    }

    /// Takes an option as if it was typed.
    pub(super) fn give(&mut self, opt: &Opt, value: Option<OsString>, spelling: &str) {
        self.add(opt, value, spelling, ValueSource::Typed);
    }

    /// Notes a mistake: a sentence that says what is wrong.
    pub(super) fn refuse(&self, sentence: String) {
        // Only the first one is kept.
        let _ = self.error.set(sentence);
    }

    /// The first mistake.
    pub(super) fn error(&self) -> Option<&String> {
        self.error.get()
    }

    /// What was made of the arguments.
    ///
    /// # Errors
    /// The first mistake, if there is one.
    pub(super) fn unless_refused<T>(&self, made: T) -> Result<T, String> {
        match self.error() {
            None => Ok(made),
            Some(sentence) => Err(sentence.clone()),
        }
    }

    fn add(&mut self, opt: &Opt, value: Option<OsString>, spelling: &str, source: ValueSource) {
        self.options.push(Occurrence {
            long: opt.long,
            value,
            spelling: spelling.to_owned(),
            source,
        });
    }

    /// Sets an option that is not set yet, for kubexit. `spelling` names the source of the value in
    /// messages.
    pub(super) fn set_for_kubexit(&mut self, opt: &Opt, value: OsString, spelling: &str) {
        if !self.has(opt) {
            self.add(opt, Some(value), spelling, ValueSource::Kubexit);
            // kubexit always has a directory.
            self.names_are_off &= opt.long != DIR.long;
        }
    }

    /// Adds the options that were not typed and whose variable is set.
    pub(super) fn add_variables(&mut self, spec: &CommandSpec, variables: &Variables<'_>) {
        self.names_are_off = variables.switches_names_off && !self.has(&DIR);
        for opt in spec.options {
            let variable = variables.find(|name| opt.is_variable(name));
            let Some((name, value)) = variable.filter(|_| !self.has(opt)) else {
                continue;
            };
            match (opt.value, value.to_str()) {
                (Some(_), _) => self.add(opt, Some(value.to_owned()), name, ValueSource::Variable),
                (None, Some("1" | "true")) => self.add(opt, None, name, ValueSource::Variable),
                (None, Some("0" | "false")) => {}
                (None, _) => {
                    let value = value.to_string_lossy();
                    self.refuse(format!("{name} is {value:?}: expected 1, true, 0 or false"));
                }
            }
        }
    }

    /// Finds typing errors: variables whose names begin with `prefix` and that nothing reads.
    /// `others` are the known ones that no option of the table has.
    pub(super) fn check_variables(
        &mut self,
        variables: &Variables<'_>,
        prefix: &str,
        options: &[&Opt],
        others: &[&str],
    ) {
        for name in variables.names().filter(|name| name.starts_with(prefix)) {
            let is_known =
                options.iter().any(|opt| opt.is_variable(name)) || others.contains(&name);
            if is_known || is_of_service(name) {
                continue;
            }
            if name == "EXITDIR_PASS_CODE" {
                self.refuse(format!(
                    "{name} was replaced: use {IN_ITS_PLACE}, or set EXITDIR_STOP_CODE to own"
                ));
                continue;
            }
            let mut meant = options.iter().filter_map(|opt| opt.variable_meant_by(name));
            let other = || others.iter().find(|other| is_within(name, other, 1));
            match meant.next().or_else(|| Some((*other()?).to_owned())) {
                Some(meant) => {
                    self.refuse(format!("unknown variable {name}: did you mean {meant}?"));
                }
                None => self
                    .notices
                    .push(format!("unknown variable {name}: it has no effect")),
            }
        }
    }

    /// Whether the option was given.
    pub(super) fn has(&self, opt: &Opt) -> bool {
        self.last(opt).is_some()
    }

    fn last(&self, opt: &Opt) -> Option<&Occurrence> {
        self.all(opt).next_back()
    }

    fn all(&self, opt: &Opt) -> impl DoubleEndedIterator<Item = &Occurrence> {
        let long = opt.long;
        self.options
            .iter()
            .filter(move |option| option.long == long)
    }

    /// The values of an option in their order; `None` for each time that a flag was given.
    pub(super) fn values(&self, opt: &Opt) -> impl Iterator<Item = Option<&OsStr>> {
        self.all(opt).map(|option| option.value.as_deref())
    }

    /// Whether the value of an option has the syntax of the program kubexit.
    pub(super) fn is_of_kubexit(&self, opt: &Opt) -> bool {
        self.last(opt)
            .is_some_and(|option| option.source == ValueSource::Kubexit)
    }

    /// How the option was spelled the last time: `--name`, `-n`, or its variable.
    pub(super) fn spelling(&self, opt: &Opt) -> Option<&str> {
        self.last(opt).map(|option| option.spelling.as_str())
    }

    /// Of flags that exclude each other, the one that counts: the last that was typed, else the
    /// first whose variable is set.
    pub(super) fn effective<'o>(&self, flags: &[&'o Opt]) -> Option<&'o Opt> {
        let typed = self
            .options
            .iter()
            .rev()
            .filter(|option| option.source == ValueSource::Typed);
        let flag = |option: &Occurrence| flags.iter().find(|opt| opt.long == option.long).copied();
        typed.chain(&self.options).find_map(flag)
    }

    /// The last value of an option as it was typed.
    pub(super) fn os_value(&self, opt: &Opt) -> Option<&OsStr> {
        self.last(opt)?.value.as_deref()
    }

    /// The last value of an option. The error of `read` says what was expected; it is noted, and
    /// there is no value then.
    pub(super) fn value<T>(
        &self,
        opt: &Opt,
        read: &dyn Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let option = self.last(opt)?;
        self.read(option, self.text(option), read)
    }

    /// All values of an option, each of which is a list that `read` reads, as [`ParsedArgs::value`]
    /// does.
    pub(super) fn lists<T>(
        &self,
        opt: &Opt,
        read: &dyn Fn(&str) -> Result<Vec<T>, String>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for option in self.all(opt) {
            let list = self.read(option, self.text(option), read);
            values.append(&mut list.unwrap_or_default());
        }
        values
    }

    /// All values of an option, split at commas, without the blanks around them, each of which is
    /// read as [`ParsedArgs::value`] does.
    pub(super) fn list<T>(&self, opt: &Opt, read: &dyn Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut values = Vec::new();
        for option in self.all(opt) {
            let text = self.text(option);
            for part in text.split(',') {
                let part = part.trim();
                // An empty part alone would say nothing.
                let shown = if part.is_empty() { text } else { part };
                values.extend(self.read_part(option, shown, part, read));
            }
        }
        values
    }

    /// The value as text. One that is not UTF-8 is a mistake.
    fn text<'o>(&self, option: &'o Occurrence) -> &'o str {
        let value = option.value.as_deref().unwrap_or_default();
        value.to_str().unwrap_or_else(|| {
            self.refuse(format!("{} is {value:?}: not UTF-8", option.spelling));
            ""
        })
    }

    fn read<T>(
        &self,
        option: &Occurrence,
        text: &str,
        read: &dyn Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read_part(option, text, text, read)
    }

    /// The same for a part of the value, in place of which a mistake shows `shown`.
    fn read_part<T>(
        &self,
        option: &Occurrence,
        shown: &str,
        part: &str,
        read: &dyn Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let refused = |expected| format!("{} is {shown:?}: {expected}", option.spelling);
        let value = read(part);
        value
            .map_err(|expected| self.refuse(refused(expected)))
            .ok()
    }
}

#[cfg(test)]
mod tests;
