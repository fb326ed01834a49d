//! `exitdir-status`: shows the tombstones.

use super::args::ParsedArgs;
use super::entry::parse_args;
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION, flag};
use super::values::{read_file_name, required_exit_dir};
use crate::exit;
use crate::log::Logger;
use crate::protocol::name::Name;
use crate::protocol::program;
use crate::sorted::sorted;
use crate::status::table::{Completeness, Format, print_table};
use crate::store::exit_dir::ExitDir;
use std::ffi::OsString;

const JSON: Opt = flag(None, "json", "print one JSON object per line");

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::STATUS,
    usage: "[OPTION]... [NAME]...",
    about: "Print a table of the tombstones, sorted by name.\n\n\
            With NAMEs, only theirs.",
    options: &[&DIR, &JSON, &HELP, &VERSION],
    positionals: Positionals::Only,
    notes: "Exit status: 0 printed; 1 a NAME has no tombstone; 125 own failure or wrong\n\
            usage.",
    examples: [
        "  # All tombstones of a directory:\n  \
         exitdir-status --dir /exit",
        "  # Two of them, for a script:\n  \
         exitdir-status --json main proxy",
    ],
};

const LOG: Logger = Logger::new(SPEC.name);

/// What the options mean.
pub(super) struct StatusPlan {
    dir: ExitDir,
    /// Sorted, each once. All names, if there are none.
    names: Vec<Name>,
    format: Format,
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match print_table(&plan.dir, &plan.names, plan.format, LOG) {
        Ok(Completeness::All) => exit::SUCCESS,
        Ok(Completeness::Some) => exit::INCOMPLETE,
        Err(error) => {
            LOG.error(error);
            exit::FAILURE
        }
    }
}

pub(super) fn plan(args: &ParsedArgs) -> Result<StatusPlan, String> {
    let format = if args.has(&JSON) {
        Format::JsonLines
    } else {
        Format::Table
    };
    Ok(StatusPlan {
        names: names(args)?,
        format,
        dir: required_exit_dir(args)?,
    })
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
