//! `exitdir-signal`: says that somebody is dead, or ready.

use super::args::{CommandSpec, DIR, HELP, Opt, ParsedArgs, Positionals, VERSION, flag, valued};
use super::{NO_DIRECTORY, directory, own_name, parse_args, read_code, read_name};
use crate::error::Error;
use crate::exit;
use crate::log::Logger;
use crate::protocol::name::Name;
use crate::signal::SignalSet;
use crate::store::announce::{Announcement, SignalOutcome};
use crate::store::exit_dir::ExitDir;
use crate::sys::command_line::CommandLine;
use crate::sys::process::wait_for_exit;
use crate::sys::spawn::{SpawnError, SpawnExtras, SpawnSetup, spawn};
use crate::sys::startup::InheritedSignals;
use std::ffi::OsString;

const READY: Opt = flag(Some('r'), "ready", "record readiness instead of death");
const CODE: Opt = valued(
    Some('c'),
    "code",
    "N",
    "exit code to record, 0 to 255 (default 0)",
);
const MESSAGE: Opt = valued(Some('m'), "message", "TEXT", "one line of text to record");

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: "exitdir-signal",
    usage: "[OPTION]... [NAME] [-- PROBE [ARG]...]",
    about: "Record in NAME's tombstone that it has died, or is ready.\n\n\
            NAME defaults to $EXITDIR_NAME, else to exitFile.",
    options: &[&DIR, &READY, &CODE, &MESSAGE, &HELP, &VERSION],
    notes: "With -- PROBE the probe runs first, and its status is the exit status. The record is written\n\
            only if the probe exits 0 and an exitdir-run named NAME is running.\n\n\
            Exit status: 0 recorded; 125 own failure or wrong usage; with PROBE the probe's status,\n\
            126 PROBE cannot be executed, 127 PROBE was not found.",
};

const VOICE: Logger = Logger::new(SPEC.name);
/// The file that followers built on the Go library know.
const DEFAULT_NAME: &str = "exitFile";

/// What is to be done.
struct SignalPlan {
    dir: ExitDir,
    name: Name,
    word: Announcement,
    message: Option<String>,
    probe: Option<CommandLine>,
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args((&SPEC, &VOICE), Positionals::ThenCommand, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match &plan.probe {
        None => report(
            &plan,
            plan.dir
                .signal(&plan.name, plan.word, plan.message.as_deref()),
        ),
        Some(probe) => run_probe(&plan, probe),
    }
}

fn plan(typed: &ParsedArgs) -> Result<SignalPlan, String> {
    let dir = directory(typed).ok_or(NO_DIRECTORY)?;
    let name = match typed.words.as_slice() {
        [] => own_name()?,
        [word] => {
            let text = word.to_string_lossy();
            Some(read_name(&text).map_err(|expected| format!("{text:?} is {expected}"))?)
        }
        [_, second, ..] => {
            return Err(format!(
                "unexpected argument {second:?}: only one NAME is allowed"
            ));
        }
    };
    let code = typed.value(&CODE, read_code)?;
    let word = match (typed.has(&READY), code) {
        (true, Some(_)) => return Err("--ready and --code exclude each other".to_owned()),
        (true, None) => Announcement::Ready,
        (false, code) => Announcement::Died(code.unwrap_or(exit::SUCCESS)),
    };
    let command = |words: &Vec<OsString>| CommandLine::new(words).ok_or("no PROBE after --");
    Ok(SignalPlan {
        dir,
        name: name.or_else(|| Name::new(DEFAULT_NAME)).ok_or("no NAME")?,
        word,
        message: typed.value(&MESSAGE, |text| Ok(text.to_owned()))?,
        probe: typed.command.as_ref().map(command).transpose()?,
    })
}

fn report(plan: &SignalPlan, result: Result<SignalOutcome, Error>) -> u8 {
    let name = &plan.name;
    match result {
        Ok(SignalOutcome::Appended | SignalOutcome::Published | SignalOutcome::AlreadyRecorded) => {
        }
        Ok(SignalOutcome::PublishedEmpty(errno)) => VOICE.info(format!(
            "recorded the death of {name} without its details: {}",
            crate::error::describe(&std::io::Error::from_raw_os_error(errno))
        )),
        Ok(SignalOutcome::AlreadyDead) => VOICE.info(format!(
            "{name} is already recorded as dead: {} not recorded",
            what(plan.word)
        )),
        Ok(SignalOutcome::NoRoom) => VOICE.info(format!(
            "the tombstone of {name} is full: {} not recorded",
            what(plan.word)
        )),
        Ok(SignalOutcome::Outdated) => VOICE.info(format!(
            "the command of {name} has ended meanwhile: {} not recorded",
            what(plan.word)
        )),
        Err(error) => {
            VOICE.error(&error);
            return exit::FAILURE;
        }
    }
    exit::SUCCESS
}

fn what(word: Announcement) -> String {
    match word {
        Announcement::Died(code) => format!("exit code {code}"),
        Announcement::Ready => "readiness".to_owned(),
    }
}

/// Runs the probe, and records what it found if it succeeds. Its status is ours.
fn run_probe(plan: &SignalPlan, probe: &CommandLine) -> u8 {
    let live = match plan.dir.find_live(&plan.name) {
        Ok(live) => live,
        Err(error) => {
            VOICE.error(&error);
            return exit::FAILURE;
        }
    };
    let inherited = match InheritedSignals::save_and_block(SignalSet::default()) {
        Ok(inherited) => inherited,
        Err(error) => {
            VOICE.error(format!(
                "cannot read the signal mask: {}",
                crate::error::describe(&error)
            ));
            return exit::FAILURE;
        }
    };
    let setup = SpawnSetup {
        inherited,
        own_group: false,
        terminal: None,
    };
    let status = match spawn(probe, setup, SpawnExtras::default()) {
        Ok(pid) => wait_for_exit(pid),
        Err(SpawnError::Fork(error)) => {
            VOICE.error(format!(
                "cannot start a process: {}",
                crate::error::describe(&error)
            ));
            return exit::FAILURE;
        }
        Err(SpawnError::Exec(error)) => {
            VOICE.error(format!(
                "cannot run {}: {}",
                probe.display(),
                crate::error::describe(&error)
            ));
            return super::exec_status(&error);
        }
    };
    if status != exit::SUCCESS {
        return status;
    }
    report(
        plan,
        plan.dir
            .signal_handle(&live, plan.word, plan.message.as_deref()),
    )
}
