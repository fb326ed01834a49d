//! `exitdir-install`: copies the running binary into a volume, and sweeps an exit directory.

use super::args::{CommandSpec, DIR, HELP, Opt, ParsedArgs, Positionals, VERSION, flag};
use super::{NO_DIRECTORY, directory, links, parse_args};
use crate::error::Error;
use crate::exit;
use crate::log::Logger;
use crate::store::exit_dir::ExitDir;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const SWEEP: Opt = flag(
    None,
    "sweep",
    "also remove the tombstones that no process has locked",
);

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: "exitdir-install",
    usage: "[OPTION]... [DIR]",
    about: "Copy this binary into DIR, with a link for each applet.",
    options: &[&DIR, &SWEEP, &HELP, &VERSION],
    notes: "With --sweep, DIR may be left out. Sweep only from an init container, because no other\n\
            container can be starting then.\n\n\
            Exit status: 0 done; 125 own failure or wrong usage.",
};

const VOICE: Logger = Logger::new(SPEC.name);
const BINARY: &str = "exitdir";
/// The running binary, also where no path leads to it any more (proc(5)).
const RUNNING: &str = "/proc/self/exe";

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args((&SPEC, &VOICE), Positionals::Only, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    let swept = plan.sweep.map_or(Ok(()), |dir| sweep(&dir));
    let installed = plan.target.map_or(Ok(()), |target| install(&target));
    match swept.and(installed) {
        Ok(()) => exit::SUCCESS,
        Err(sentence) => {
            VOICE.error(sentence);
            exit::FAILURE
        }
    }
}

/// What is to be done.
struct InstallPlan {
    /// The exit directory to sweep.
    sweep: Option<ExitDir>,
    /// Where to install into.
    target: Option<PathBuf>,
}

fn plan(typed: &ParsedArgs) -> Result<InstallPlan, String> {
    let sweep = if typed.has(&SWEEP) {
        Some(directory(typed).ok_or(NO_DIRECTORY)?)
    } else {
        None
    };
    match typed.words.as_slice() {
        [] if sweep.is_some() => Ok(InstallPlan {
            sweep,
            target: None,
        }),
        [] => Err("no DIR to install into".to_owned()),
        [word] => Ok(InstallPlan {
            sweep,
            target: Some(PathBuf::from(word)),
        }),
        [_, second, ..] => Err(format!(
            "unexpected argument {second:?}: only one DIR is allowed"
        )),
    }
}

fn sweep(dir: &ExitDir) -> Result<(), String> {
    let swept = dir.sweep().map_err(|error| error.to_string())?;
    if swept > 0 {
        let noun = if swept == 1 {
            "tombstone"
        } else {
            "tombstones"
        };
        VOICE.info(format!(
            "removed {swept} {noun} from {}",
            dir.path().display()
        ));
    }
    Ok(())
}

fn install(target: &Path) -> Result<(), String> {
    let said = |action, path: &Path, error: io::Error| Error::io(action, path, error).to_string();
    std::fs::create_dir_all(target).map_err(|error| said("create", target, error))?;
    let binary = target.join(BINARY);
    place(&binary, copy).map_err(|error| said("install", &binary, error))?;
    for link in links() {
        let link = target.join(link);
        place(&link, |temporary| {
            std::os::unix::fs::symlink(BINARY, temporary)
        })
        .map_err(|error| said("install", &link, error))?;
    }
    Ok(())
}

/// Makes a file beside its place and renames it there: works again over a binary that is running,
/// and nobody ever finds half of it.
fn place(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut hidden = OsString::from(".");
    hidden.push(path.file_name().unwrap_or_default());
    // Containers that install side by side can have the same process id.
    let moment = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    hidden.push(format!(".{}.{}", std::process::id(), moment.as_nanos()));
    let temporary = path.with_file_name(hidden);
    let result = make(&temporary).and_then(|()| std::fs::rename(&temporary, path));
    if result.is_err() {
        // Already failing: what is left behind is said by the error itself.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

fn copy(to: &Path) -> io::Result<()> {
    let mut from = std::fs::File::open(RUNNING)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(to, flags, Mode::from_raw_mode(0o555))?;
    let mut file = std::fs::File::from(file);
    io::copy(&mut from, &mut file)?;
    // Whatever the umask: other containers run as other users.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o555))?;
    file.sync_all()
}
