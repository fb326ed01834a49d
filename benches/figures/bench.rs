//! The command line, the programs to compare with, and a directory for one run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A value, or a sentence that explains why there is none.
pub(crate) type Outcome<T> = Result<T, String>;

/// The input of every figure.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The figures to measure; empty for all.
    pub(crate) chosen: Vec<String>,
    /// How often each program is measured.
    pub(crate) rounds: usize,
    /// The binary under measurement.
    pub(crate) binary: PathBuf,
    /// Binaries for other architectures, by the names of these.
    pub(crate) foreign: Vec<(String, PathBuf)>,
    /// A program that exits at once, for the figure `start`.
    pub(crate) nothing: PathBuf,
    /// A program that answers each USR1, and exits on TERM.
    pub(crate) echo: PathBuf,
    /// A program that reports readiness, for the figure `ready`.
    pub(crate) tell: PathBuf,
    /// A program that writes the time and exits, for the figure `disk`.
    pub(crate) stamp: PathBuf,
    /// The least that a program must do for the same results.
    pub(crate) floor: PathBuf,
    /// Where to write the report, if one is wanted, and what it says about the machine.
    pub(crate) report: Option<(PathBuf, String)>,
    /// Links for the applets, and other files of a run.
    pub(crate) scratch: Scratch,
}

impl Bench {
    pub(crate) fn from_args() -> Outcome<Bench> {
        let (mut chosen, mut foreign, mut rounds) = (Vec::new(), Vec::new(), 1000);
        let (mut binary, mut programs, mut report) = (None, None, None);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--rounds" => rounds = read_rounds(&value()?)?,
                "--binary" => binary = Some(PathBuf::from(value()?)),
                "--foreign" => foreign.push((value()?, PathBuf::from(value()?))),
                "--programs" => programs = Some(PathBuf::from(value()?)),
                "--report" => report = Some((PathBuf::from(value()?), value()?)),
                "--bench" => {} // passed by cargo
                _ => chosen.push(word),
            }
        }
        let scratch = Scratch::new(&std::env::temp_dir())?;
        let binary = binary.ok_or("--binary is missing: call scripts/bench")?;
        let programs = programs.ok_or("--programs is missing: call scripts/bench")?;
        for applet in ["exitdir-run", "exitdir-wait", "exitdir-signal"] {
            std::os::unix::fs::symlink(&binary, scratch.path(applet))
                .map_err(|error| format!("cannot link {applet}: {error}"))?;
        }
        Ok(Bench {
            chosen,
            rounds,
            binary,
            foreign,
            nothing: programs.join("nothing"),
            echo: programs.join("echo"),
            tell: programs.join("tell"),
            stamp: programs.join("stamp"),
            floor: programs.join("floor"),
            report,
            scratch,
        })
    }

    /// An applet of the binary under measurement, called by its own name.
    pub(crate) fn applet(&self, name: &str) -> Command {
        quiet(self.scratch.path(name))
    }
}

fn read_rounds(text: &str) -> Outcome<usize> {
    let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
    rounds.ok_or(format!("{text:?} is not a number of rounds"))
}

/// A program with an empty environment and no terminal, the same for all programs.
pub(crate) fn quiet(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A program that Debian ships, if it is installed.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// A file system in memory, like most volumes that containers of a pod share.
pub(crate) const IN_MEMORY: &str = "/dev/shm";

/// A fresh directory, removed with its content at the end.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    pub(crate) fn new(parent: &Path) -> Outcome<Scratch> {
        let root = parent.join(format!("exitdir-bench-{}", std::process::id()));
        let root = match std::fs::create_dir(&root) {
            // The second directory on the same file system.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => root.join("more"),
            Err(error) => return Err(format!("cannot create {}: {error}", root.display())),
            Ok(()) => return Ok(Scratch { root }),
        };
        std::fs::create_dir(&root)
            .map_err(|error| format!("cannot create {}: {error}", root.display()))?;
        Ok(Scratch { root })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that remains is in the place for temporary files.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
