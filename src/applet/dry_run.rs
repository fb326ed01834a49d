//! What an applet makes of its arguments and variables, without doing it: for the fuzzer.

use super::args::{ParsedArgs, parse};
use super::spec::{CommandSpec, HELP, VERSION};
use super::variables::{PREFIX, READ_BY_OTHERS, Variables};
use super::{install, kubexit, run, run_options, run_plan, signal, status, wait};
use crate::log::Logger;
use std::ffi::OsString;

/// An applet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DryRun {
    Run,
    Wait,
    Signal,
    Status,
    Install,
    Kubexit,
}

impl DryRun {
    fn spec(self) -> &'static CommandSpec {
        match self {
            DryRun::Run => &run_options::SPEC,
            DryRun::Wait => &wait::SPEC,
            DryRun::Signal => &signal::SPEC,
            DryRun::Status => &status::SPEC,
            DryRun::Install => &install::SPEC,
            DryRun::Kubexit => &kubexit::SPEC,
        }
    }

    /// The options as they can be typed.
    pub(crate) fn options(self) -> Vec<String> {
        let long = |long: &str| Some(format!("--{long}")).filter(|_| !long.is_empty());
        let options = self.spec().options.iter();
        let spellings = |opt: &&super::spec::Opt| {
            let short = opt.short.map(|short| format!("-{short}"));
            short.into_iter().chain(long(opt.long))
        };
        options.flat_map(spellings).collect()
    }

    /// The message of the error that the applet would end with, if it would.
    pub(crate) fn plan(self, arguments: Vec<OsString>, entries: &[Vec<u8>]) -> Option<String> {
        let variables = Variables::of(entries.iter().map(Vec::as_slice));
        let refused = self.refused(arguments, variables.without_supervisor())?;
        let logger = Logger::new(self.spec().name);
        Some(logger.prefixed(&self.spec().usage_error(&refused)))
    }

    fn refused(self, arguments: Vec<OsString>, variables: Variables<'_>) -> Option<String> {
        let spec = self.spec();
        let mut args = match self {
            DryRun::Kubexit => kubexit::args(arguments, &variables),
            _ => parse(spec, arguments),
        };
        if args.has(&HELP) || args.has(&VERSION) {
            return None;
        }
        match self {
            DryRun::Kubexit => {}
            DryRun::Run => {
                args.add_variables(spec, &variables);
                args.check_variables(&variables, PREFIX, spec.options, &READ_BY_OTHERS);
            }
            _ => args.add_variables(spec, &variables),
        }
        args.error().cloned().or_else(|| self.refused_plan(&args))
    }

    fn refused_plan(self, args: &ParsedArgs) -> Option<String> {
        match self {
            DryRun::Run | DryRun::Kubexit => run_plan::plan(args, Logger::new(self.spec().name))
                .and_then(|_| args.unless_refused(run::ProcessOptions::new(args)))
                .map(|_| ()),
            DryRun::Wait => wait::plan(args).map(|_| ()),
            DryRun::Signal => signal::plan(args).map(|_| ()),
            DryRun::Status => status::plan(args).map(|_| ()),
            DryRun::Install => install::plan(args).map(|_| ()),
        }
        .err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_help_are_accepted_by_their_applets() {
        use DryRun::{Install, Kubexit, Run, Signal, Status, Wait};
        for applet in [Run, Wait, Signal, Status, Install, Kubexit] {
            for example in applet.spec().examples {
                let [comment, command] = example.split('\n').collect::<Vec<_>>()[..] else {
                    panic!("{example}: expected a comment and a command");
                };
                assert!(comment.starts_with("  # ") && comment.ends_with(':'));
                let mut words = command.split_whitespace().peekable();
                let mut entries = vec![b"EXIT_DIR=/exit".to_vec()];
                while let Some(variable) = words.next_if(|word| word.contains('=')) {
                    entries.push(variable.as_bytes().to_vec());
                }
                assert_eq!(words.next(), Some(applet.spec().name));
                let words = unquoted(words).into_iter().map(OsString::from);
                assert_eq!(applet.plan(words.collect(), &entries), None, "{command}");
            }
        }
    }

    /// The words without the quotes around some of them together.
    fn unquoted<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
        let line = words.collect::<Vec<_>>().join(" ");
        let parts = line.split('\'').enumerate();
        let split = parts.flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        split.collect()
    }
}
