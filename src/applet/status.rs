//! `exitdir-status`: shows the tombstones.

use super::args::ParsedArgs;
use super::ending::{block_signals_as_init, ends_wait};
use super::entry::parse_args;
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION, flag, valued};
use super::values::{own_name, read_file_name, required_exit_dir};
use crate::error::{Error, describe, escaped};
use crate::exit;
use crate::log::Logger;
use crate::protocol::item::Item;
use crate::protocol::name::Name;
use crate::protocol::program;
use crate::protocol::state::State;
use crate::signal::Signal;
use crate::sorted::sorted;
use crate::status::check::check;
use crate::status::output::{is_without_reader, print};
use crate::status::table::{Completeness, Format, print_table};
use crate::status::timeline::{Style, draw};
use crate::status::watching::{WatchPlan, watch};
use crate::store::exit_dir::ExitDir;
use crate::watch::wait_loop::{WaitHooks, WaitOutcome};
use std::ffi::OsString;
use std::fmt::Display;

const JSON: Opt = flag(None, "json", "print one JSON object per line");
const CHECK: Opt = flag(None, "check", "print what is wrong and what to do about it");
const TIMELINE: Opt = flag(
    None,
    "timeline",
    "draw the stages of each life over a time axis",
);
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
    options: &[
        &DIR, &JSON, &CHECK, &TIMELINE, &WATCH, &UNTIL, &HELP, &VERSION,
    ],
    positionals: Positionals::Only,
    notes: "Exit status: 0 printed, or the conditions hold; 1 a NAME has no tombstone, or\n\
            they can no longer hold, or --check has found something; 125 own failure or\n\
            wrong usage; 128+n ended by signal n.",
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
    Timeline(Vec<Name>, Style),
    Watch(WatchPlan),
    /// By the life that this process belongs to.
    Check(Option<Name>),
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match &plan.view {
        View::Table(names, format) => end(print_table(&plan.dir, names, *format, LOG)),
        View::Timeline(names, style) => end(draw(&plan.dir, names, *style, LOG)),
        View::Watch(watch) => run_watch(&plan.dir, watch),
        View::Check(own) => run_check(&plan.dir, own.as_ref()),
    }
}

fn end(printed: Result<Completeness, Error>) -> u8 {
    match printed {
        Ok(Completeness::All) => exit::SUCCESS,
        Ok(Completeness::Some) => exit::INCOMPLETE,
        Err(error) => fail(error),
    }
}

pub(super) fn plan(args: &ParsedArgs) -> Result<StatusPlan, String> {
    let names = names(args)?;
    let until = args.list(&UNTIL, &|text| Item::parse(text, State::Died));
    exclude(args, &[&JSON, &CHECK, &TIMELINE])?;
    exclude(args, &[&JSON, &CHECK, &WATCH])?;
    if args.has(&UNTIL) && !args.has(&WATCH) {
        return Err("--until needs --watch".to_owned());
    }
    if args.has(&CHECK) && !names.is_empty() {
        return Err("--check is about the whole directory: give no NAME".to_owned());
    }
    let timeline = args.has(&TIMELINE).then(style);
    let view = match timeline {
        _ if args.has(&CHECK) => View::Check(own_name()?),
        timeline if args.has(&WATCH) => View::Watch(WatchPlan {
            names,
            until,
            own: own_name()?,
            timeline,
        }),
        Some(style) => View::Timeline(names, style),
        None if args.has(&JSON) => View::Table(names, Format::JsonLines),
        None => View::Table(names, Format::Table),
    };
    args.unless_refused(StatusPlan {
        dir: required_exit_dir(args)?,
        view,
    })
}

/// Refuses two of these flags together.
fn exclude(args: &ParsedArgs, flags: &[&Opt]) -> Result<(), String> {
    let mut given = flags.iter().filter(|flag| args.has(flag));
    match (given.next(), given.next()) {
        (Some(one), Some(other)) => Err(format!(
            "--{} and --{} exclude each other",
            one.long, other.long
        )),
        _ => Ok(()),
    }
}

/// What other programs read from the same variables.
fn style() -> Style {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let columns = variable("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
    Style {
        width: columns.filter(|columns| *columns > 0),
        knows_escapes: variable("TERM").is_some_and(|term| term != "dumb"),
        may_colour: variable("NO_COLOR").is_none(),
    }
}

fn run_check(dir: &ExitDir, own: Option<&Name>) -> u8 {
    let result = check(dir, own);
    let path = escaped(&dir.path().to_string_lossy());
    let mut text: String = result.findings.iter().map(|it| format!("{it}\n")).collect();
    if text.is_empty() {
        text = format!("no problem found in {path}, lives: {}\n", result.lives);
    }
    match print(&text) {
        Ok(()) if result.findings.is_empty() => exit::SUCCESS,
        Ok(()) => exit::INCOMPLETE,
        Err(error) => fail(error),
    }
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
