//! The applets: one file each, arguments and then calls. Which one is meant is decided here.

mod args;
mod install;
mod kubexit;
mod run;
mod run_options;
mod signal;
mod status;
mod wait;

use crate::exit;
use crate::log::Logger;
use crate::protocol::condition;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use args::{CommandSpec, DIR, HELP, ParsedArgs, Positionals, VERSION, parse};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// One applet.
struct Applet {
    spec: &'static CommandSpec,
    main: fn(Vec<OsString>) -> u8,
}

/// In the order in which people meet them.
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
        main: install::main,
    },
    Applet {
        spec: &kubexit::SPEC,
        main: kubexit::main,
    },
];

const PREFIX: &str = "exitdir-";
const BINARY: Logger = Logger::new("exitdir");

/// Runs the applet that `argv[0]`, or the first argument, names. Returns the exit status.
pub fn main() -> u8 {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    let called = called
        .as_bytes()
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    match by_name(called) {
        Some(applet) => (applet.main)(rest),
        None if called == b"exitdir" => by_first_argument(rest),
        None => unknown(&String::from_utf8_lossy(called)),
    }
}

/// The names by which the binary can be called, besides its own.
pub(crate) fn links() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().map(|applet| applet.spec.name)
}

fn by_name(name: &[u8]) -> Option<&'static Applet> {
    APPLETS
        .iter()
        .find(|applet| applet.spec.name.as_bytes() == name)
}

fn by_first_argument(mut arguments: Vec<OsString>) -> u8 {
    if arguments.is_empty() {
        BINARY.error(format!(
            "no applet given: expected one of {}",
            short_names()
        ));
        return exit::FAILURE;
    }
    let first = arguments.remove(0);
    match first.to_str() {
        Some("-h" | "--help") => print(&BINARY, &overview()),
        Some("-V" | "--version") => print(&BINARY, &version("exitdir")),
        _ => {
            let first = first.to_string_lossy();
            let full = format!("{PREFIX}{}", first.strip_prefix(PREFIX).unwrap_or(&first));
            match by_name(full.as_bytes()).or_else(|| by_name(first.as_bytes())) {
                Some(applet) => (applet.main)(arguments),
                None => unknown(&first),
            }
        }
    }
}

fn unknown(name: &str) -> u8 {
    BINARY.error(format!(
        "unknown applet {name:?}: expected one of {}",
        short_names()
    ));
    exit::FAILURE
}

fn short_names() -> String {
    let names: Vec<&str> = links()
        .map(|name| name.strip_prefix(PREFIX).unwrap_or(name))
        .collect();
    names.join(", ")
}

fn overview() -> String {
    let mut text = String::from(
        "Usage: exitdir APPLET [OPTION]... [ARG]...\n\n\
         Starts and stops the containers of a pod in the right order, using small text files in a\n\
         shared directory. Each applet can also be called through a link with its own name.\n\nApplets:\n",
    );
    for applet in &APPLETS {
        let name = applet
            .spec
            .name
            .strip_prefix(PREFIX)
            .unwrap_or(applet.spec.name);
        let about = applet.spec.about.lines().next().unwrap_or_default();
        text.push_str(&format!("  {name:<10} {about}\n"));
    }
    text.push_str("\n'exitdir APPLET --help' describes an applet.\n");
    text
}

fn version(name: &str) -> String {
    format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
}

/// Writes to standard output; what cannot be written is an error like any other.
fn print(voice: &Logger, text: &str) -> u8 {
    match crate::sys::write::write_all(rustix::stdio::stdout(), text.as_bytes()) {
        Ok(()) => exit::SUCCESS,
        Err(errno) => {
            voice.error(format!(
                "cannot write to standard output: {}",
                crate::error::describe(&errno.into())
            ));
            exit::FAILURE
        }
    }
}

/// Answers `--help` and `--version`, which win over everything else that was typed.
fn answer_help_or_version(spec: &CommandSpec, voice: &Logger, typed: &ParsedArgs) -> Option<u8> {
    if typed.has(&HELP) {
        return Some(print(voice, &spec.help()));
    }
    typed
        .has(&VERSION)
        .then(|| print(voice, &version(spec.name)))
}

/// From the words that were typed to what they mean. `Err` is the exit status of an applet that has
/// nothing more to do: it has answered, or the words mean nothing.
fn parse_args<P>(
    (spec, voice): (&CommandSpec, &Logger),
    words: Positionals,
    arguments: Vec<OsString>,
    meaning: impl Fn(&ParsedArgs) -> Result<P, String>,
) -> Result<P, u8> {
    let mut typed = parse(spec.options, words, arguments);
    typed.add_variables(spec.options);
    if let Some(status) = answer_help_or_version(spec, voice, &typed) {
        return Err(status);
    }
    let sound = typed.error.clone().map_or(Ok(()), Err);
    sound.and_then(|()| meaning(&typed)).map_err(|sentence| {
        voice.error(usage_sentence(spec, &sentence));
        exit::FAILURE
    })
}

/// The exit directory that was asked for, by option or variable.
fn directory(typed: &ParsedArgs) -> Option<ExitDir> {
    typed
        .raw(&DIR)
        .filter(|path| !path.is_empty())
        .map(ExitDir::new)
}

const NO_DIRECTORY: &str = "no exit directory: set EXIT_DIR or give --dir DIR";

/// What is wrong with the command line, and where to read more.
fn usage_sentence(spec: &CommandSpec, sentence: &str) -> String {
    format!("{sentence} (see {} --help)", spec.name)
}

fn read_name(text: &str) -> Result<Name, String> {
    Name::new(text).ok_or_else(|| format!("not a name: {}", condition::NAME_GRAMMAR))
}

fn read_duration(text: &str) -> Result<crate::duration::Limit, String> {
    crate::duration::parse_duration(text)
        .ok_or_else(|| "not a duration: expected 30, 0.5, 1m30s, 500ms or off".to_owned())
}

/// An exit status, 0 to 255.
fn read_code(text: &str) -> Result<u8, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| "not an exit status: expected 0 to 255".to_owned())
}

/// `$EXITDIR_NAME`: whose life an applet is called in.
fn own_name() -> Result<Option<Name>, String> {
    const VARIABLE: &str = "EXITDIR_NAME";
    let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    read_name(&text)
        .map(Some)
        .map_err(|expected| format!("{VARIABLE} is {text:?}: {expected}"))
}

/// The status for a command that could not be executed (POSIX `sh`).
fn exec_status(error: &std::io::Error) -> u8 {
    // A missing directory on the way is as good as a missing program.
    let missing = [
        std::io::ErrorKind::NotFound,
        std::io::ErrorKind::NotADirectory,
    ];
    if missing.contains(&error.kind()) {
        exit::NOT_FOUND
    } else {
        exit::NOT_EXECUTABLE
    }
}
