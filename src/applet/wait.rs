//! `exitdir-wait`: blocks until conditions hold. Its exit status says whether they do.

use super::args::ParsedArgs;
use super::ending::{block_signals_as_init, ends_wait};
use super::entry::{parse_args, print};
use super::exec::report_exec_error;
use super::spec::{CommandSpec, DIR, HELP, Opt, POLL, Positionals, QUIET, VERSION, flag, valued};
use super::values::{own_name, read_duration, required_exit_dir};
use crate::duration::Limit;
use crate::error::{Error, describe, escaped};
use crate::exit;
use crate::log::{Level, Logger};
use crate::protocol::evaluator::Mode;
use crate::protocol::evidence::{Evidence, Match};
use crate::protocol::item::{Item, parts};
use crate::protocol::life::Death;
use crate::protocol::program;
use crate::protocol::state::State;
use crate::store::exit_dir::ExitDir;
use crate::sys::command_line::CommandLine;
use crate::sys::process::{SignalTarget, raise};
use crate::sys::signals::Signals;
use crate::sys::spawn::exec;
use crate::watch::wait_loop::{Wait, WaitHooks, WaitOutcome};
use crate::watch::waiter::{Others, WaitRequest};
use std::ffi::OsString;
use std::fmt::Display;

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
    name: program::WAIT,
    usage: "[OPTION]... [CONDITION]... [-- CMD [ARG]...]",
    about: "Wait until conditions hold, then exit, or exec CMD.\n\n\
            A CONDITION is NAME[:STATE]; STATE is waiting, born, ready, inactive, ok,\n\
            failed, lost, died or exit=N (default died). Without NAME it means any\n\
            tombstone; no CONDITION means :died.\n\
            Or a source that must answer: tcp:[HOST:]PORT, http:[HOST:]PORT/PATH, unix:PATH,\n\
            file:PATH. A+B holds when both hold at one moment.",
    options: &[
        &DIR,
        &ANY,
        &TIMEOUT,
        &KEEP_WAITING,
        &EXIT_CODE,
        &PRINT,
        &POLL,
        &QUIET,
        &HELP,
        &VERSION,
    ],
    positionals: Positionals::ThenCommand,
    notes: "Exit status: 0 they hold; 1 they can no longer hold; 124 timeout; 125 own\n\
            failure or wrong usage; 126 CMD cannot be executed; 127 CMD was not found; 128+n\n\
            ended by signal n.",
    examples: [
        "  # Become a server once the database is ready and its port answers:\n  \
         exitdir-wait --timeout 1m db:ready+tcp:db:5432 -- ./server",
        "  # Wait for the end of main, and exit with its code:\n  \
         exitdir-wait --exit-code main",
    ],
};

const LOG: Logger = Logger::new(SPEC.name);

/// What the options mean.
pub(super) struct WaitPlan {
    /// `None` if no condition is about a life.
    dir: Option<ExitDir>,
    request: WaitRequest,
    timeout: Limit,
    log: Logger,
    /// Whether to print the tombstones that decided the wait.
    prints: bool,
    after: AfterWait,
}

/// What follows when the conditions hold.
enum AfterWait {
    Exit,
    ExitWithCode,
    Exec(CommandLine),
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    let signals = match block_signals_as_init() {
        Ok(signals) => signals,
        Err(error) => return fail(format!("cannot block signals: {}", describe(&error))),
    };
    let signals = signals.as_ref();
    wait(&plan, signals).map_or_else(fail, |(outcome, why)| match outcome {
        WaitOutcome::Holds(evidence) => finish(&plan, &evidence, signals),
        WaitOutcome::Impossible => {
            LOG.error(format!("the conditions can no longer hold: {why}"));
            exit::IMPOSSIBLE
        }
        WaitOutcome::TimedOut => {
            LOG.error(format!("timed out after {}: {why}", plan.timeout));
            exit::TIMED_OUT
        }
        WaitOutcome::Signal(signal) => {
            // It was read to leave a clean terminal. The kernel does not end PID 1 for it.
            let _ = raise(SignalTarget::Process, signal);
            signal.exit_status()
        }
    })
}

pub(super) fn plan(args: &ParsedArgs) -> Result<WaitPlan, String> {
    let items = items(args)?;
    let after = after_wait(args)?;
    let needs_dir = parts(&items).any(|part| part.life().is_some());
    args.unless_refused(WaitPlan {
        dir: needs_dir.then(|| required_exit_dir(args)).transpose()?,
        request: WaitRequest {
            items,
            mode: if args.has(&ANY) { Mode::Any } else { Mode::All },
            keep_waiting: args.has(&KEEP_WAITING),
            need_code: matches!(after, AfterWait::ExitWithCode),
            own: own_name()?,
            poll: args.value(&POLL, &read_duration),
            others: Others::None,
        },
        timeout: args.value(&TIMEOUT, &read_duration).unwrap_or(Limit::Never),
        log: match args.has(&QUIET) {
            true => LOG.at(Level::Quiet),
            false => LOG,
        },
        prints: args.has(&PRINT),
        after,
    })
}

/// Each argument is an item, or a list as exitdir-run takes it.
fn items(args: &ParsedArgs) -> Result<Vec<Item>, String> {
    if args.positionals.is_empty() {
        return Ok(vec![Item::any_death()]);
    }
    let mut items = Vec::new();
    for argument in &args.positionals {
        for text in argument.to_string_lossy().split(',') {
            items.push(Item::parse(text.trim(), State::Died)?);
        }
    }
    Ok(items)
}

fn after_wait(args: &ParsedArgs) -> Result<AfterWait, String> {
    match (&args.command, args.has(&EXIT_CODE)) {
        (None, false) => Ok(AfterWait::Exit),
        (None, true) => Ok(AfterWait::ExitWithCode),
        (Some(words), exit_code) => {
            let command = CommandLine::new(words).ok_or("no CMD after --")?;
            if exit_code {
                return Err("--exit-code and a command exclude each other".to_owned());
            }
            Ok(AfterWait::Exec(command))
        }
    }
}

/// Returns the outcome, and which conditions do not hold.
fn wait(plan: &WaitPlan, signals: Option<&Signals>) -> Result<(WaitOutcome, String), Error> {
    let hooks = WaitHooks {
        on_warning: match plan.log.is_quiet() {
            true => |_| {},
            false => |warning| LOG.info(warning),
        },
        ends_wait,
    };
    let wait = Wait::new(
        plan.dir.as_ref(),
        &plan.request,
        plan.timeout,
        signals,
        hooks,
    );
    let mut wait = wait.shown_by(plan.log);
    let outcome = wait.run()?;
    let why = match outcome {
        WaitOutcome::Holds(_) | WaitOutcome::Signal(_) => String::new(),
        WaitOutcome::Impossible | WaitOutcome::TimedOut => wait.explain(),
    };
    if !matches!(outcome, WaitOutcome::Signal(_)) {
        wait.close();
    }
    Ok((outcome, why))
}

fn fail(sentence: impl Display) -> u8 {
    LOG.error(sentence);
    exit::FAILURE
}

/// What follows when the conditions hold. Returns the exit status, or executes the command.
fn finish(plan: &WaitPlan, evidence: &[Evidence], signals: Option<&Signals>) -> u8 {
    if plan.prints {
        let status = print(SPEC.name, &evidence.iter().map(line).collect::<String>());
        if status != exit::SUCCESS {
            return status;
        }
    }
    match &plan.after {
        AfterWait::Exit => exit::SUCCESS,
        AfterWait::ExitWithCode => match Evidence::last(evidence) {
            Some(Evidence::Life(matched)) => matched.exit_code(),
            Some(Evidence::Source(..)) | None => exit::SUCCESS,
        },
        AfterWait::Exec(command) => {
            let error = exec(command, signals.map(Signals::inherited));
            report_exec_error(LOG, command, &error)
        }
    }
}

/// `NAME STATE CODE`, with `-` for none, or `SOURCE answers -`.
fn line(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Life(matched) => life_line(matched),
        Evidence::Source(source, _) => format!("{} answers -\n", escaped(source.as_str())),
    }
}

fn life_line(matched: &Match) -> String {
    let none = || "-".to_owned();
    let life = &matched.life;
    let state = life.state().map_or_else(none, |state| state.to_string());
    let code = life.death().and_then(Death::code);
    let code = code.map_or_else(none, |code| code.to_string());
    format!("{} {state} {code}\n", escaped(matched.name.as_str()))
}
