//! `exitdir-status`: shows the tombstones.

use super::args::ParsedArgs;
use super::ending::{block_signals_as_init, ends_wait};
use super::entry::parse_args;
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION, flag, valued};
use super::values::{own_name, read_file_name, required_exit_dir};
use crate::error::describe;
use crate::exit;
use crate::log::Logger;
use crate::protocol::item::Item;
use crate::protocol::name::Name;
use crate::protocol::program;
use crate::protocol::state::State;
use crate::signal::Signal;
use crate::sorted::sorted;
use crate::status::output::is_without_reader;
use crate::status::table::{Completeness, Format, print_table};
use crate::status::watching::{WatchPlan, watch};
use crate::store::exit_dir::ExitDir;
use crate::watch::wait_loop::{WaitHooks, WaitOutcome};
use std::ffi::OsString;
use std::fmt::Display;

const JSON: Opt = flag(None, "json", "print one JSON object per line");
const WATCH: Opt = flag(
    Some('w'),
    "watch",
    "print each transition: TIME NAME OLD NEW CODE REASON",
);
const UNTIL: Opt = valued(
    None,
    "until",
    "LIST",
    "exit with 0 when all of these conditions hold",
);

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::STATUS,
    usage: "[OPTION]... [NAME]...",
    about: "Print a table of the tombstones, sorted by name.\n\n\
            With NAMEs, only theirs. LIST has conditions as exitdir-wait takes them.",
    options: &[&DIR, &JSON, &WATCH, &UNTIL, &HELP, &VERSION],
    positionals: Positionals::Only,
    notes: "Exit status: 0 printed, or the conditions hold; 1 a NAME has no tombstone, or\n\
            they can no longer hold; 125 own failure or wrong usage; 128+n ended by\n\
            signal n.",
    examples: [
        "  # All tombstones of a directory:\n  \
         exitdir-status --dir /exit",
        "  # What happens until both have died:\n  \
         exitdir-status --watch --until main,proxy",
    ],
};

const LOG: Logger = Logger::new(SPEC.name);

/// What the options mean.
pub(super) struct StatusPlan {
    dir: ExitDir,
    view: View,
}

/// What is shown. Names are sorted, each once.
enum View {
    Table(Vec<Name>, Format),
    Watch(WatchPlan),
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match &plan.view {
        View::Table(names, format) => match print_table(&plan.dir, names, *format, LOG) {
            Ok(Completeness::All) => exit::SUCCESS,
            Ok(Completeness::Some) => exit::INCOMPLETE,
            Err(error) => fail(error),
        },
        View::Watch(watch) => run_watch(&plan.dir, watch),
    }
}

pub(super) fn plan(args: &ParsedArgs) -> Result<StatusPlan, String> {
    let names = names(args)?;
    let until = args.list(&UNTIL, &|text| Item::parse(text, State::Died));
    let view = match (args.has(&WATCH), args.has(&JSON)) {
        (true, true) => return Err("--watch and --json exclude each other".to_owned()),
        (true, false) => View::Watch(WatchPlan {
            names,
            until,
            own: own_name()?,
        }),
        (false, _) if args.has(&UNTIL) => return Err("--until needs --watch".to_owned()),
        (false, true) => View::Table(names, Format::JsonLines),
        (false, false) => View::Table(names, Format::Table),
    };
    args.unless_refused(StatusPlan {
        dir: required_exit_dir(args)?,
        view,
    })
}

fn run_watch(dir: &ExitDir, plan: &WatchPlan) -> u8 {
    let signals = match block_signals_as_init() {
        Ok(signals) => signals,
        Err(error) => return fail(format!("cannot block signals: {}", describe(&error))),
    };
    let hooks = WaitHooks {
        on_warning: |warning| LOG.info(warning),
        ends_wait,
    };
    match watch(dir, plan, signals.as_ref(), hooks) {
        Ok((WaitOutcome::Impossible, why)) => {
            LOG.error(format!("the conditions can no longer hold: {why}"));
            exit::IMPOSSIBLE
        }
        Ok((WaitOutcome::Signal(signal), _)) => signal.exit_status(),
        // There is no timeout.
        Ok((WaitOutcome::Holds(_) | WaitOutcome::TimedOut, _)) => exit::SUCCESS,
        // As if the write had raised its signal.
        Err(error) if is_without_reader(&error) => Signal::PIPE.exit_status(),
        Err(error) => fail(error),
    }
}

fn fail(sentence: impl Display) -> u8 {
    LOG.error(sentence);
    exit::FAILURE
}

/// The names of the table can be those of kubexit, so these are accepted too.
fn names(args: &ParsedArgs) -> Result<Vec<Name>, String> {
    let texts = args.positionals.iter().map(|text| text.to_string_lossy());
    let names = texts
        .map(|text| read_file_name(&text).map_err(|expected| format!("{text:?} is {expected}")));
    let mut names = sorted(names.collect::<Result<Vec<Name>, String>>()?);
    names.dedup();
    Ok(names)
}
