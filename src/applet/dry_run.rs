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
