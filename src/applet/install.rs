//! `exitdir-install`: copies the running binary into a volume, and sweeps an exit directory.

use super::args::ParsedArgs;
use super::entry::parse_args;
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION, flag};
use super::values::exit_dir_unless_off;
use crate::error::Error;
use crate::exit;
use crate::log::Logger;
use crate::protocol::program::{self, BINARY};
use crate::store::exit_dir::ExitDir;
use crate::store::resolve::make_dir;
use crate::store::sweep::Sweep;
use crate::sys::read::{open, read_all};
use crate::sys::write::write_all;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const SWEEP: Opt = flag(
    None,
    "sweep",
    "also remove the tombstones that no process has locked",
);
const SWEEP_UNFINISHED: Opt = flag(
    None,
    "sweep-unfinished",
    "sweep, but keep the tombstones that died with 0",
);

const INIT_LINKS: Opt = flag(
    None,
    "inits",
    "also link tini, tini-static, docker-init and podman-init",
);

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::INSTALL,
    usage: "[OPTION]... [DIR]",
    about: "Copy this binary into DIR, with a link for each applet.",
    options: &[
        &DIR,
        &SWEEP,
        &SWEEP_UNFINISHED,
        &INIT_LINKS,
        &HELP,
        &VERSION,
    ],
    positionals: Positionals::Only,
    notes: "A sweep creates the exit directory if it is missing, and DIR may be left out.\n\
            Sweep only from an init container, because no other container can be starting\n\
            then. Use --sweep with the restart policy Always and with compose,\n\
            --sweep-unfinished with OnFailure, none with Never.\n\
            A tombstone that cannot be removed is reported and is no failure.\n\n\
            Exit status: 0 done; 125 own failure or wrong usage.",
    examples: [
        "  # In the init container of a Job:\n  \
         exitdir-install --sweep-unfinished /exit/bin",
        "  # On this machine, also under the names of other inits:\n  \
         exitdir-install --inits /usr/local/bin",
    ],
};

const LOG: Logger = Logger::new(SPEC.name);
/// The running binary, even if it has no path any more (proc(5)).
const RUNNING: &str = "/proc/self/exe";

/// `links` are the names of the applets.
pub(super) fn main(arguments: Vec<OsString>, mut links: Vec<&str>) -> u8 {
    let plan = match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    if plan.inits {
        links.extend(program::INITS);
    }
    let swept = plan
        .swept_dir
        .zip(plan.sweep)
        .map_or(Ok(()), |(dir, which)| sweep(&dir, which));
    let installed = plan
        .target
        .map_or(Ok(()), |target| install(&target, &links));
    match swept.and(installed) {
        Ok(()) => exit::SUCCESS,
        Err(sentence) => {
            LOG.error(sentence);
            exit::FAILURE
        }
    }
}

/// What the options mean.
pub(super) struct InstallPlan {
    /// Which tombstones to sweep.
    sweep: Option<Sweep>,
    /// The exit directory to sweep; `None` also if names are switched off.
    swept_dir: Option<ExitDir>,
    /// The directory to install into.
    target: Option<PathBuf>,
    /// Whether it is linked under the names of other inits too.
    inits: bool,
}

pub(super) fn plan(args: &ParsedArgs) -> Result<InstallPlan, String> {
    let sweep = sweep_plan(args)?;
    let swept_dir = match sweep {
        Some(_) => exit_dir_unless_off(args)?,
        None => None,
    };
    let target = match args.positionals.as_slice() {
        [] if sweep.is_some() => None,
        [] => return Err("no DIR to install into".to_owned()),
        [target] if target.is_empty() => {
            return Err("DIR is empty: name the directory to install into".to_owned());
        }
        [target] => Some(PathBuf::from(target)),
        [_, second, ..] => {
            return Err(format!(
                "unexpected argument {second:?}: only one DIR is allowed"
            ));
        }
    };
    let inits = args.has(&INIT_LINKS);
    if inits && target.is_none() {
        return Err("--inits needs DIR".to_owned());
    }
    Ok(InstallPlan {
        sweep,
        swept_dir,
        target,
        inits,
    })
}

fn sweep_plan(args: &ParsedArgs) -> Result<Option<Sweep>, String> {
    match (args.has(&SWEEP), args.has(&SWEEP_UNFINISHED)) {
        (false, false) => Ok(None),
        (true, false) => Ok(Some(Sweep::Unlocked)),
        (false, true) => Ok(Some(Sweep::Unfinished)),
        (true, true) => Err("--sweep and --sweep-unfinished exclude each other".to_owned()),
    }
}

/// A tombstone that cannot be removed is no failure: an init container that fails keeps the pod
/// from starting.
fn sweep(dir: &ExitDir, which: Sweep) -> Result<(), String> {
    let result = dir.sweep(which).map_err(|error| error.to_string())?;
    for error in result.errors {
        LOG.error(error);
    }
    let removed = match result.removed {
        0 => return Ok(()),
        1 => "1 tombstone".to_owned(),
        count => format!("{count} tombstones"),
    };
    LOG.info(format!("removed {removed} from {}", dir.path().display()));
    Ok(())
}

fn install(target: &Path, links: &[&str]) -> Result<(), String> {
    let dir = directory(target).map_err(|error| error.to_string())?;
    let failed = |name: &str, error| Error::io("install", &target.join(name), error).to_string();
    place(&dir, BINARY, &|temporary| copy_binary(&dir, temporary))
        .map_err(|error| failed(BINARY, error))?;
    for link in links {
        place(&dir, link, &|temporary| {
            rustix::fs::symlinkat(BINARY, &dir, temporary)
        })
        .map_err(|error| failed(link, error))?;
    }
    Ok(())
}

/// Opens the directory, and creates what is missing of it. All else is done below the descriptor,
/// so another user that exchanges the directory cannot lead us elsewhere.
fn directory(path: &Path) -> Result<OwnedFd, Error> {
    let made = make_dir(path, &|parent, name, _| {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777))
    });
    made.map_err(|error| {
        // A link that is not followed has no number.
        let action = error.raw_os_error().map_or("use", |_| "create");
        Error::io(action, path, error)
    })
}

/// Makes a file under a temporary name in the directory, and renames it. So it can replace a binary
/// that is running, and no process finds half a file.
fn place(dir: &OwnedFd, name: &str, make: &dyn Fn(&str) -> Result<(), Errno>) -> Result<(), Errno> {
    let temporary = temporary_name(name);
    let made = make(&temporary);
    let result = made.and_then(|()| rustix::fs::renameat(dir, &temporary, dir, name));
    if result.is_err() {
        // The first error is the one to report.
        let _ = rustix::fs::unlinkat(dir, &temporary, AtFlags::empty());
    }
    result
}

fn temporary_name(name: &str) -> String {
    // Two containers that install at the same time can have the same process id.
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
    format!(".{name}.{}.{seconds}.{nanos}", std::process::id())
}

fn copy_binary(dir: &OwnedFd, to: &str) -> Result<(), Errno> {
    let from = open(RUNNING)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, to, flags, Mode::from_raw_mode(0o555))?;
    read_all(from.as_fd(), &mut |part| write_all(&file, part))?;
    // Other users run it in other containers, whatever the umask here is.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o555))?;
    rustix::fs::fsync(&file)
}
