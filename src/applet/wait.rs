//! `exitdir-wait`: blocks until conditions hold, and says so by its exit status.

use super::args::{
    CommandSpec, DIR, HELP, Opt, POLL, ParsedArgs, Positionals, VERSION, flag, valued,
};
use super::{NO_DIRECTORY, directory, own_name, parse_args, print, read_duration};
use crate::duration::Limit;
use crate::exit;
use crate::log::Logger;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Match, Mode};
use crate::protocol::life::Death;
use crate::protocol::state::State;
use crate::signal::Signal;
use crate::store::exit_dir::ExitDir;
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use crate::sys::spawn::exec;
use crate::sys::startup::is_ignored;
use crate::watch::waiter::{Request, WaitHooks, WaitOutcome, Waiter};
use std::ffi::OsString;

const ANY: Opt = flag(
    Some('a'),
    "any",
    "succeed when one condition holds (default: all of them)",
);
const TIMEOUT: Opt = valued(
    Some('t'),
    "timeout",
    "DURATION",
    "exit with 124 after this long; 0 checks once (default off)",
);
const KEEP_WAITING: Opt = flag(
    None,
    "keep-waiting",
    "keep waiting for a later life when a condition can no longer hold",
);
const EXIT_CODE: Opt = flag(
    Some('x'),
    "exit-code",
    "exit with the code of the last tombstone that decided the wait",
);
const PRINT: Opt = flag(
    None,
    "print",
    "print NAME STATE CODE for each tombstone that decided the wait",
);

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: "exitdir-wait",
    usage: "[OPTION]... [CONDITION]... [-- CMD [ARG]...]",
    about: "Wait until conditions hold, then exit, or exec CMD.\n\n\
            A CONDITION is NAME[:STATE]; STATE is waiting, born, ready, inactive, ok, failed, lost,\n\
            died or exit=N (default died). Without NAME it means any tombstone; no CONDITION means :died.",
    options: &[
        &DIR,
        &ANY,
        &TIMEOUT,
        &KEEP_WAITING,
        &EXIT_CODE,
        &PRINT,
        &POLL,
        &HELP,
        &VERSION,
    ],
    notes: "Exit status: 0 they hold; 1 they can no longer hold; 124 timeout; 125 own failure or wrong\n\
            usage; 126 CMD cannot be executed; 127 CMD was not found; 128+n ended by signal n.",
};

const VOICE: Logger = Logger::new(SPEC.name);

/// What is to be done.
struct WaitPlan {
    dir: ExitDir,
    request: Request,
    timeout: Limit,
    exit_code: bool,
    print: bool,
    command: Option<CommandLine>,
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args((&SPEC, &VOICE), Positionals::ThenCommand, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match signals_as_init() {
        Ok(signals) => keep(plan, signals),
        Err(error) => {
            VOICE.error(format!(
                "cannot block signals: {}",
                crate::error::describe(&error)
            ));
            exit::FAILURE
        }
    }
}

fn plan(typed: &ParsedArgs) -> Result<WaitPlan, String> {
    let mut conditions = Vec::new();
    for word in &typed.words {
        conditions.push(Condition::parse(&word.to_string_lossy(), State::Died)?);
    }
    if conditions.is_empty() {
        conditions.push(Condition {
            name: None,
            state: State::Died,
        });
    }
    let command = |words: &Vec<OsString>| CommandLine::new(words).ok_or("no CMD after --");
    let command = typed.command.as_ref().map(command).transpose()?;
    let exit_code = typed.has(&EXIT_CODE);
    if exit_code && command.is_some() {
        return Err("--exit-code and a command exclude each other".to_owned());
    }
    Ok(WaitPlan {
        dir: directory(typed).ok_or(NO_DIRECTORY)?,
        request: Request {
            conditions,
            mode: if typed.has(&ANY) {
                Mode::Any
            } else {
                Mode::All
            },
            keep_waiting: typed.has(&KEEP_WAITING),
            need_code: exit_code,
            own: own_name()?,
            poll: typed.value(&POLL, read_duration)?,
        },
        timeout: typed
            .value(&TIMEOUT, read_duration)?
            .unwrap_or(Limit::Never),
        exit_code,
        print: typed.has(&PRINT),
        command,
    })
}

/// As PID 1 the kernel would drop every signal that has no handler (pid_namespaces(7)).
fn signals_as_init() -> std::io::Result<Option<Signals>> {
    if rustix::process::getpid().is_init() {
        Signals::block().map(Some)
    } else {
        Ok(None)
    }
}

fn keep(plan: WaitPlan, signals: Option<Signals>) -> u8 {
    let customs = WaitHooks {
        warn: |warning| VOICE.info(warning),
        ends: ending_signal,
    };
    let outcome = plan.dir.create().and_then(|()| {
        let mut vigil = Waiter::new(&plan.request);
        let outcome = vigil.wait(&plan.dir, plan.timeout, signals.as_ref(), customs)?;
        Ok((outcome, vigil.explain()))
    });
    match outcome {
        Ok((WaitOutcome::Holds(deciders), _)) => conclude(&plan, &deciders, signals),
        Ok((WaitOutcome::Impossible, why)) => {
            VOICE.error(format!("the conditions can no longer hold: {why}"));
            exit::IMPOSSIBLE
        }
        Ok((WaitOutcome::TimedOut, why)) => {
            VOICE.error(format!("timed out after {}: {why}", plan.timeout));
            exit::TIMED_OUT
        }
        Ok((WaitOutcome::Signal(signal), _)) => signal.exit_status(),
        Err(error) => {
            VOICE.error(error);
            exit::FAILURE
        }
    }
}

/// What would have ended us, were we not PID 1.
fn ending_signal(signal: Signal) -> bool {
    signal.is_fatal_by_default() && !is_ignored(signal)
}

fn conclude(plan: &WaitPlan, deciders: &[Match], signals: Option<Signals>) -> u8 {
    if plan.print {
        let status = print(&VOICE, &deciders.iter().map(line).collect::<String>());
        if status != exit::SUCCESS {
            return status;
        }
    }
    if let Some(command) = &plan.command {
        let error = exec(command, signals.as_ref().map(Signals::inherited));
        VOICE.error(format!(
            "cannot run {}: {}",
            command.display(),
            crate::error::describe(&error)
        ));
        return super::exec_status(&error);
    }
    match Match::last(deciders) {
        Some(decider) if plan.exit_code => decider.exit_code(),
        Some(_) | None => exit::SUCCESS,
    }
}

/// `NAME STATE CODE`, with `-` for none.
fn line(decider: &Match) -> String {
    let state = decider
        .life
        .state()
        .map_or_else(|| "-".to_owned(), |state| state.to_string());
    let code = decider
        .life
        .death()
        .and_then(Death::code)
        .map_or_else(|| "-".to_owned(), |code| code.to_string());
    format!("{} {state} {code}\n", decider.name)
}
