//! A pseudo-terminal that a test drives as a person would: it types, presses keys, reads what is
//! shown, and asks which process group has the foreground. Echo is off, so what is shown is output
//! alone.

use crate::support::proc::ProcStat;
use crate::support::sandbox::{Running, Start, eventually, wait_until};
use crate::support::signals::{KILL, send_if_there};
use rustix::fs::OFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, OptionalActions};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_Z: &str = "\x1a";
pub const CTRL_BACKSLASH: &str = "\x1c";

/// A terminal and the session that it controls. Its processes end with the test.
pub struct Terminal {
    master: OwnedFd,
    /// Held open, so that the terminal lasts as long as the test.
    _slave: OwnedFd,
    session: Option<Running>,
    /// What was shown and not read yet.
    shown: String,
    /// All that was shown, for a test that fails.
    transcript: String,
    /// All that was written, with what moves the cursor.
    written: String,
}

impl Terminal {
    /// Starts a command on a new terminal, which it or a child of it makes its own (`setsid
    /// --ctty`).
    pub fn start(command: &mut Command) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).expect("a pseudo-terminal");
        rustix::pty::grantpt(&master).expect("a terminal of our own");
        rustix::pty::unlockpt(&master).expect("a terminal that can be opened");
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("the other end");
        rustix::fs::fcntl_setfl(&master, OFlags::NONBLOCK).expect("reads that do not block");
        let mut modes = rustix::termios::tcgetattr(&slave).expect("modes");
        modes.local_modes.remove(LocalModes::ECHO);
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes).expect("no echo");
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let session = command.stdin(end()).stdout(end()).stderr(end()).start();
        Terminal {
            master,
            _slave: slave,
            session: Some(session),
            shown: String::new(),
            transcript: String::new(),
            written: String::new(),
        }
    }

    /// Starts a command on a terminal that has so many columns.
    pub fn of_width(columns: u16, command: &mut Command) -> Terminal {
        // The command inherits the terminal and sets its size before it executes the other one.
        let mut sized = Command::new("setsid");
        let script = format!("stty cols {columns} <&2; exec \"$0\" \"$@\"");
        sized.args(["--ctty", "sh", "-c", &script]);
        sized.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => sized.env(name, value),
                None => sized.env_remove(name),
            };
        }
        Terminal::start(&mut sized)
    }

    /// All that was written so far, with what moves the cursor.
    pub fn written(&mut self) -> &str {
        self.read();
        &self.written
    }

    /// What a person sees: each line as it is after all that was written over it.
    pub fn screen(&mut self) -> Vec<String> {
        let mut lines = vec![Vec::new()];
        let mut column = 0;
        for c in self.written().chars() {
            let line = lines.last_mut().expect("a line");
            match c {
                '\r' => column = 0,
                '\n' => lines.push(Vec::new()),
                c => {
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = c;
                    column += 1;
                }
            }
        }
        let lines = lines.into_iter().map(String::from_iter);
        lines
            .map(|line: String| line.trim_end().to_owned())
            .collect()
    }

    /// The process that was started.
    pub fn pid(&self) -> i32 {
        self.session.as_ref().expect("running").pid()
    }

    /// Types a line.
    pub fn enter(&mut self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    pub fn press(&mut self, keys: &str) {
        let written = rustix::io::write(&self.master, keys.as_bytes()).expect("a terminal");
        assert_eq!(written, keys.len());
    }

    /// Everything that is shown up to this text, which is waited for.
    pub fn shown_until(&mut self, text: &str) -> String {
        eventually(format!("{text:?} is shown"), || {
            self.read();
            let (before, after) = self.shown.split_once(text)?;
            let (before, after) = (before.to_owned(), after.to_owned());
            self.shown = after;
            Some(before)
        })
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        // An error is AGAIN, or the hangup after the session's end.
        while let Ok(length @ 1..) = rustix::io::read(&self.master, &mut buffer) {
            let written = String::from_utf8_lossy(&buffer[..length]);
            self.written.push_str(&written);
            let text = written.replace('\r', "");
            self.shown.push_str(&text);
            self.transcript.push_str(&text);
        }
    }

    /// The process group in the foreground; 0 if there is none.
    pub fn foreground(&self) -> i32 {
        rustix::termios::tcgetpgrp(&self.master).map_or(0, |group| group.as_raw_nonzero().get())
    }

    /// The living processes of the session.
    pub fn processes(&self) -> Vec<ProcStat> {
        processes_of(self.session_id())
    }

    /// The session that the terminal controls. It can be led by a child of what was started.
    fn session_id(&self) -> i32 {
        let session = rustix::termios::tcgetsid(&self.master);
        session.map_or(self.pid(), |session| session.as_raw_nonzero().get())
    }

    /// The one process of this name in the session.
    pub fn process(&self, name: &str) -> Option<ProcStat> {
        self.processes()
            .into_iter()
            .find(|process| process.name == name)
    }

    /// Waits until a process of this name sleeps in the foreground.
    pub fn await_foreground(&self, name: &str) -> ProcStat {
        eventually(format!("{name} sleeps in the foreground"), || {
            let process = self.process(name)?;
            (process.state == 'S' && process.group == self.foreground()).then_some(process)
        })
    }

    /// Waits until the leader of the foreground sleeps, as a shell does once it is done with its
    /// prompt: a key that makes a signal is held back by readline before.
    pub fn await_reader(&self) {
        wait_until("the leader of the foreground sleeps", || {
            let foreground = self.foreground();
            self.processes()
                .iter()
                .any(|process| process.pid == foreground && process.state == 'S')
        });
    }

    /// Waits until a process of this name is stopped.
    pub fn await_stopped(&self, name: &str) -> ProcStat {
        eventually(format!("{name} is stopped"), || {
            self.process(name).filter(ProcStat::is_stopped)
        })
    }

    /// Waits for the end of the process that was started. The status as a shell would report it.
    pub fn end(mut self) -> i32 {
        self.ended()
    }

    /// The same, and what it has written can be looked at afterwards.
    pub fn ended(&mut self) -> i32 {
        self.session.take().expect("running").end().status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.read();
            eprintln!("---- the terminal has shown:\n{}", self.transcript);
        }
        let Some(started) = &self.session else { return };
        if std::thread::panicking() {
            eprintln!("---- left: {:?}", self.processes());
        }
        // The process is reaped after this, so no other process can lead a session of its number.
        let sessions = [self.session_id(), started.pid()];
        wait_until("the session has no process", || {
            let left: Vec<ProcStat> = sessions.into_iter().flat_map(processes_of).collect();
            for process in &left {
                send_if_there(process.pid, KILL);
            }
            left.is_empty()
        });
    }
}

fn processes_of(session: i32) -> Vec<ProcStat> {
    let mut processes = ProcStat::all();
    processes.retain(|process| process.session == session && !process.has_ended());
    processes
}
