//! `exitdir-signal`: records that a life has died, or is ready.

use super::args::ParsedArgs;
use super::entry::parse_args;
use super::exec::report_exec_error;
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION, flag, valued};
use super::values::{exit_dir_unless_off, own_name, read_code, read_name};
use crate::error::{Error, describe};
use crate::exit;
use crate::log::Logger;
use crate::protocol::name::Name;
use crate::protocol::program;
use crate::signal::SignalSet;
use crate::store::announce::{Announcement, SignalOutcome};
use crate::store::exit_dir::ExitDir;
use crate::sys::command_line::CommandLine;
use crate::sys::process::wait_for_exit;
use crate::sys::spawn::{SpawnError, SpawnExtras, SpawnSetup, spawn};
use crate::sys::startup::InheritedSignals;
use std::ffi::OsString;
use std::fmt::Display;
use std::io;

const READY: Opt = flag(Some('r'), "ready", "record readiness instead of death");
const CODE: Opt = valued(
    Some('c'),
    "code",
    "N",
    "exit code to record, 0 to 255 (default 0)",
);
const MESSAGE: Opt = valued(Some('m'), "message", "TEXT", "one line of text to record");

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::SIGNAL,
    usage: "[OPTION]... [NAME] [-- PROBE [ARG]...]",
    about: "Record in NAME's tombstone that it has died, or is ready.\n\n\
            NAME defaults to $EXITDIR_NAME, else to exitFile.",
    options: &[&DIR, &READY, &CODE, &MESSAGE, &HELP, &VERSION],
    positionals: Positionals::ThenCommand,
    notes: "With -- PROBE the probe runs first, and its status is the exit status. The\n\
            record is written only if the probe exits 0 and an exitdir-run named NAME is\n\
            running.\n\n\
            Exit status: 0 recorded; 125 own failure or wrong usage; with PROBE the probe's\n\
            status, 126 PROBE cannot be executed, 127 PROBE was not found.",
    examples: [
        "  # Say that main has failed:\n  \
         exitdir-signal --code 3 --message 'no space left' main",
        "  # A readiness probe that records its success:\n  \
         exitdir-signal --ready main -- ./probe",
    ],
};

const LOG: Logger = Logger::new(SPEC.name);
/// The file that followers built on the Go library watch.
const DEFAULT_NAME: &str = "exitFile";

/// What the options mean.
pub(super) struct SignalPlan {
    /// `None` if names are switched off: nothing is recorded.
    dir: Option<ExitDir>,
    name: Name,
    announcement: Announcement,
    message: Option<String>,
    probe: Option<CommandLine>,
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => match (&plan.dir, &plan.probe) {
            (None, None) => exit::SUCCESS,
            (None, Some(probe)) => run_probe(probe),
            (Some(dir), None) => signal(&plan, dir),
            (Some(dir), Some(probe)) => probe_and_signal(&plan, dir, probe),
        },
        Err(status) => status,
    }
}

pub(super) fn plan(args: &ParsedArgs) -> Result<SignalPlan, String> {
    let dir = exit_dir_unless_off(args)?;
    let name = name(args)?;
    let command = |words: &Vec<OsString>| CommandLine::new(words).ok_or("no PROBE after --");
    args.unless_refused(SignalPlan {
        dir,
        name,
        announcement: announcement(args)?,
        message: args.value(&MESSAGE, &|text| Ok(text.to_owned())),
        probe: args.command.as_ref().map(command).transpose()?,
    })
}

fn name(args: &ParsedArgs) -> Result<Name, String> {
    let name = match args.positionals.as_slice() {
        [] => own_name()?,
        [name] => {
            let text = name.to_string_lossy();
            Some(read_name(&text).map_err(|expected| format!("{text:?} is {expected}"))?)
        }
        [_, second, ..] => {
            return Err(format!(
                "unexpected argument {second:?}: only one NAME is allowed"
            ));
        }
    };
    let name = name.or_else(|| Name::new(DEFAULT_NAME).ok());
    name.ok_or_else(|| "no NAME".to_owned())
}

fn announcement(args: &ParsedArgs) -> Result<Announcement, String> {
    match (args.has(&READY), args.value(&CODE, &read_code)) {
        (true, Some(_)) => Err("--ready and --code exclude each other".to_owned()),
        (true, None) => Ok(Announcement::Ready),
        (false, code) => Ok(Announcement::Died(code.unwrap_or(exit::SUCCESS))),
    }
}

fn signal(plan: &SignalPlan, dir: &ExitDir) -> u8 {
    let outcome = dir.signal(&plan.name, plan.announcement, plan.message.as_deref());
    report(plan, outcome)
}

/// Runs the probe, and records the announcement if it succeeds. Returns the probe's exit status.
fn probe_and_signal(plan: &SignalPlan, dir: &ExitDir, probe: &CommandLine) -> u8 {
    // Looked up before the probe runs: the probe says nothing about a command that starts later.
    let live = match dir.find_live(&plan.name) {
        Ok(live) => live,
        Err(error) => return fail(error),
    };
    let status = run_probe(probe);
    if status != exit::SUCCESS {
        return status;
    }
    let message = plan.message.as_deref();
    let outcome = dir.signal_handle(&live, plan.announcement, message);
    report(plan, outcome)
}

fn run_probe(probe: &CommandLine) -> u8 {
    let inherited = match InheritedSignals::save_and_set_mask(SignalSet::default()) {
        Ok(inherited) => inherited,
        Err(error) => return fail(format!("cannot read the signal mask: {}", describe(&error))),
    };
    let setup = SpawnSetup {
        inherited,
        own_group: false,
        terminal: None,
    };
    match spawn(probe, setup, SpawnExtras::default()) {
        Ok(started) => wait_for_exit(started.pid),
        Err(SpawnError::Fork(error)) => {
            fail(format!("cannot start a process: {}", describe(&error)))
        }
        Err(SpawnError::Exec(error)) => report_exec_error(LOG, probe, &error),
    }
}

fn fail(sentence: impl Display) -> u8 {
    LOG.error(sentence);
    exit::FAILURE
}

/// Reports what became of the announcement, and returns the exit status.
fn report(plan: &SignalPlan, outcome: Result<SignalOutcome, Error>) -> u8 {
    match outcome {
        Ok(outcome) => {
            if let Some(notice) = notice(plan, outcome) {
                LOG.info(notice);
            }
            exit::SUCCESS
        }
        Err(error) => fail(error),
    }
}

/// What a user should know about an announcement that was not recorded as it was meant.
fn notice(plan: &SignalPlan, outcome: SignalOutcome) -> Option<String> {
    let name = &plan.name;
    let what = match plan.announcement {
        Announcement::Died(code) => format!("exit code {code}"),
        Announcement::Ready => "readiness".to_owned(),
    };
    match outcome {
        SignalOutcome::Appended | SignalOutcome::Published | SignalOutcome::AlreadyRecorded => None,
        SignalOutcome::PublishedEmpty(errno) => Some(format!(
            "recorded the death of {name} without its details: {}",
            describe(&io::Error::from_raw_os_error(errno))
        )),
        SignalOutcome::NotDurable(errno) => Some(format!(
            "recorded the death of {name}, but a power loss can undo it: cannot write it to the \
             disk: {}",
            describe(&io::Error::from_raw_os_error(errno))
        )),
        SignalOutcome::AlreadyDead => Some(format!(
            "{name} is already recorded as dead: {what} not recorded"
        )),
        SignalOutcome::NoRoom => Some(format!(
            "the tombstone of {name} is full: {what} not recorded"
        )),
        SignalOutcome::Outdated => Some(format!(
            "the command of {name} has ended meanwhile: {what} not recorded"
        )),
    }
}
