//! The applets. This file calls the one that is meant; each has a file of its own: what was typed,
//! then what it means.

mod args;
#[cfg(any(test, fuzzing))]
pub(crate) mod dry_run;
mod ending;
mod entry;
mod exec;
mod install;
mod kubexit;
mod resolved;
mod run;
mod run_options;
mod run_plan;
mod run_values;
mod signal;
mod spec;
mod status;
mod tini;
mod values;
mod variables;
mod wait;

use crate::exit;
use crate::log::Logger;
use crate::protocol::program::{BINARY, CATATONIT, INITS};
use crate::spelling::meant;
use crate::sys::startup;
use entry::print;
use spec::{CommandSpec, version};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// One applet.
struct Applet {
    spec: &'static CommandSpec,
    main: fn(Vec<OsString>) -> u8,
}

/// In the order of `--help`.
const APPLETS: [Applet; 6] = [
    Applet {
        spec: &run_options::SPEC,
        main: run::main,
    },
    Applet {
        spec: &wait::SPEC,
        main: wait::main,
    },
    Applet {
        spec: &signal::SPEC,
        main: signal::main,
    },
    Applet {
        spec: &status::SPEC,
        main: status::main,
    },
    Applet {
        spec: &install::SPEC,
        main: |arguments| install::main(arguments, names()),
    },
    Applet {
        spec: &kubexit::SPEC,
        main: kubexit::main,
    },
];

/// What the names of most applets begin with, which may be left out in the first argument.
const PREFIX: &str = "exitdir-";

/// The first argument that asks for the help of an applet.
const HELP: &str = "help";

/// Runs the applet that `argv[0]`, or the first argument, names. `words` is the whole command line.
/// Returns the exit status.
pub fn main(words: Vec<OsString>) -> u8 {
    startup::prepare();
    let mut arguments = words.into_iter();
    let path = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    let name = file_name(path.as_bytes());
    match (by_name(name), init(name)) {
        (Some(applet), _) => (applet.main)(arguments),
        (None, Some(init)) => tini::main(init, arguments),
        (None, None) if name == BINARY.as_bytes() => by_first_argument(arguments),
        (None, None) => {
            let name = String::from_utf8_lossy(name);
            unknown(&name, name.strip_prefix(PREFIX))
        }
    }
}

/// The other init that the binary was called as.
fn init(name: &[u8]) -> Option<&'static str> {
    let mut inits = INITS.into_iter().chain([CATATONIT]);
    inits.find(|init| init.as_bytes() == name)
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn by_name(name: &[u8]) -> Option<&'static Applet> {
    APPLETS
        .iter()
        .find(|applet| applet.spec.name.as_bytes() == name)
}

fn by_first_argument(mut arguments: Vec<OsString>) -> u8 {
    if arguments.is_empty() {
        return fail(format!("no applet given: {}", expected()));
    }
    let first = arguments.remove(0);
    match first.to_str() {
        Some("-h" | "--help") => print(BINARY, &overview()),
        Some(HELP) => help(arguments.first().cloned()),
        Some("-V" | "--version") => print(BINARY, &version(BINARY)),
        _ => match by_any_name(&first) {
            Some(applet) => (applet.main)(arguments),
            None => unknown_argument(&first),
        },
    }
}

/// An applet by its whole name, or by the part after the prefix.
fn by_any_name(name: &OsStr) -> Option<&'static Applet> {
    let full = [PREFIX.as_bytes(), name.as_bytes()].concat();
    by_name(&full).or_else(|| by_name(name.as_bytes()))
}

/// Prints the help of an applet, or of the binary.
fn help(applet: Option<OsString>) -> u8 {
    let Some(name) = applet.filter(|name| name != BINARY) else {
        return print(BINARY, &overview());
    };
    match by_any_name(&name) {
        Some(applet) => print(BINARY, &applet.spec.help()),
        None => unknown_argument(&name),
    }
}

fn unknown_argument(argument: &OsStr) -> u8 {
    let name = argument.to_string_lossy();
    unknown(&name, Some(short(&name)))
}

/// `short_name` is the name without the prefix; `None` for the name of a file that has none.
fn unknown(name: &str, short_name: Option<&str>) -> u8 {
    let others = [HELP, "--help", "--version"];
    let names: Vec<&str> = names().into_iter().map(short).chain(others).collect();
    let expected = match short_name.and_then(|typed| meant(typed, &names)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => expected(),
    };
    fail(format!("unknown applet {name:?}: {expected}"))
}

fn fail(sentence: String) -> u8 {
    Logger::new(BINARY).error(sentence);
    exit::FAILURE
}

fn expected() -> String {
    let short_names: Vec<&str> = names().into_iter().map(short).collect();
    format!("expected one of {}", short_names.join(", "))
}

/// The names by which the binary can be called, besides its own.
fn names() -> Vec<&'static str> {
    APPLETS.iter().map(|applet| applet.spec.name).collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

fn overview() -> String {
    let mut text = String::from(
        "Usage: exitdir APPLET [OPTION]... [ARG]...\n\n\
         Starts and stops the containers of a pod in the right order, using small text\n\
         files in a shared directory. Each applet can also be called through a link with\n\
         its own name.\n\nApplets:\n",
    );
    for applet in &APPLETS {
        let name = short(applet.spec.name);
        let about = applet.spec.about.lines().next().unwrap_or_default();
        text.push_str(&format!("  {name:<10} {about}\n"));
    }
    text.push_str("\n'exitdir help APPLET' describes an applet.\n");
    text
}
