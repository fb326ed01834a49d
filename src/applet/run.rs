//! `exitdir-run`: from its arguments to the loop in [`crate::run`].

use super::args::ParsedArgs;
use super::entry::read_args;
use super::resolved::command_line;
use super::run_options::{NAME, PARENT_DEATH_SIGNAL, SPEC, SUBREAPER, WAIT_DESCENDANTS};
use super::run_plan::{names_off_notice, plan, termination_log_path};
use super::spec::CommandSpec;
use super::values::{exit_dir, life_name, read_death_signal};
use super::variables::{PREFIX, READ_BY_OTHERS, Variables, pass_on, tini_notice};
use crate::error::describe;
use crate::exit;
use crate::log::Logger;
use crate::managed::ManagedApp;
use crate::run::plan::{ExitDirOptions, Plan, Publish, publish_failed_start};
use crate::run::{supervise, termination_log};
use crate::signal::Signal;
use crate::sys::process::{become_subreaper, set_parent_death_signal};
use crate::sys::signals::Signals;
use rustix::process::{Pid, getppid};
use std::ffi::OsString;

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let bootstrap = match Bootstrap::new(&SPEC) {
        Ok(bootstrap) => bootstrap,
        Err(status) => return status,
    };
    if arguments.is_empty() {
        // As tini does. Where it cannot be written, the error says the same in fewer words.
        let _ = rustix::io::write(rustix::stdio::stderr(), SPEC.help().as_bytes());
    }
    let variables = Variables::read().without_supervisor();
    match read_args(&SPEC, arguments, &variables) {
        Ok(mut args) => {
            args.check_variables(&variables, PREFIX, SPEC.options, &READ_BY_OTHERS);
            args.notices.extend(tini_notice());
            bootstrap.supervise(&args)
        }
        Err(status) => status,
    }
}

/// Signals blocked and parent pid noted before anything else runs, so that neither a signal nor the
/// parent's death is missed.
pub(super) struct Bootstrap {
    spec: &'static CommandSpec,
    signals: Signals,
    parent: Option<Pid>,
}

impl Bootstrap {
    /// `spec` is the applet's.
    ///
    /// # Errors
    /// The exit status, if the signals cannot be blocked.
    pub(super) fn new(spec: &'static CommandSpec) -> Result<Bootstrap, u8> {
        match Signals::block() {
            Ok(signals) => Ok(Bootstrap {
                spec,
                signals,
                parent: getppid(),
            }),
            Err(error) => {
                let reason = describe(&error);
                Logger::new(spec.name).error(format!("cannot block signals: {reason}"));
                Err(exit::FAILURE)
            }
        }
    }

    /// Supervises the command that was asked for, and returns the exit status.
    pub(super) fn supervise(&self, args: &ParsedArgs) -> u8 {
        let logger = Logger::new(self.spec.name);
        let (plan, options) = match self.plan(args, logger) {
            Ok(planned) => planned,
            Err(sentence) => return refuse(args, logger, &sentence),
        };
        if plan.logger.is_verbose() {
            let line = command_line(args);
            plan.logger.debug(format!("resolved options: {line}"));
        }
        for notice in args.notices.iter().chain(&names_off_notice(args)) {
            plan.logger.info(notice);
        }
        pass_on(plan.exit_dir.as_ref());
        let applied = options.apply(self.parent);
        let managed = match applied.and_then(|()| prepare_managed(&plan)) {
            Ok(managed) => managed,
            Err(sentence) => return refuse(args, logger, &sentence),
        };
        match supervise(&plan, managed, &self.signals) {
            Ok(status) => status,
            Err(sentence) => report(args, plan.logger, &sentence),
        }
    }

    fn plan(&self, args: &ParsedArgs, logger: Logger) -> Result<(Plan, ProcessOptions), String> {
        plan(args, logger)
            .and_then(|plan| args.unless_refused((plan, ProcessOptions::new(args))))
            .map_err(|sentence| self.spec.usage_error(&sentence))
    }
}

/// Finds out before the life begins whether configuration can be installed at its targets.
fn prepare_managed(plan: &Plan) -> Result<Option<Box<ManagedApp<'_>>>, String> {
    if !plan.management.is_needed() {
        return Ok(None);
    }
    let dir = plan.exit_dir.as_ref().map(|options| &options.dir);
    let managed = ManagedApp::prepare(&plan.management, dir, plan.poll)?;
    Ok(Some(Box::new(managed)))
}

/// Reports a failure on standard error and to Kubernetes, and returns the exit status.
fn report(args: &ParsedArgs, logger: Logger, sentence: &str) -> u8 {
    logger.error(sentence);
    // The path itself may be what is wrong.
    termination_log::write(&termination_log_path(args), &logger.prefixed(sentence));
    exit::FAILURE
}

/// Reports a life that cannot begin, also to the lives that depend on it, and returns the exit
/// status.
fn refuse(args: &ParsedArgs, logger: Logger, sentence: &str) -> u8 {
    let status = report(args, logger, sentence);
    if let Some(dir) = exit_dir(args) {
        let options = ExitDirOptions {
            dir,
            name: life_name(args, &NAME),
            publish: Publish::Always,
        };
        // A failure here adds nothing to the sentence that was reported.
        let _ = publish_failed_start(&options, status, sentence);
    }
    status
}

/// What this process asks the kernel for.
pub(super) struct ProcessOptions {
    adopts_orphans: bool,
    parent_death_signal: Option<Signal>,
}

impl ProcessOptions {
    /// A mistake is noted in the arguments.
    pub(super) fn new(args: &ParsedArgs) -> ProcessOptions {
        ProcessOptions {
            adopts_orphans: args.has(&SUBREAPER) || args.has(&WAIT_DESCENDANTS),
            parent_death_signal: args.value(&PARENT_DEATH_SIGNAL, &read_death_signal),
        }
    }

    /// `parent` is the process that started this one; `None` in another pid namespace.
    pub(super) fn apply(&self, parent: Option<Pid>) -> Result<(), String> {
        if self.adopts_orphans {
            become_subreaper()
                .map_err(|error| format!("cannot adopt orphans: {}", describe(&error)))?;
        }
        if let Some(signal) = self.parent_death_signal {
            set_parent_death_signal(signal, parent).map_err(|error| {
                let reason = describe(&error);
                format!("cannot set {signal} as the parent death signal: {reason}")
            })?;
        }
        Ok(())
    }
}
