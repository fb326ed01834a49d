//! Hooks: the actions of `--on-exit`, `--pre-stop` and `--on-config`, which run one after the
//! other. Never blocks.
//!
//! An action that fails is reported, and the next one follows. Dropping a hook ends it: the process
//! group of its program is killed.

pub(crate) mod spec;

use crate::duration::Limit;
use crate::error::describe;
use crate::exit::ExitStatus;
use crate::probe::{Prober, reason};
use crate::process::helper::{Helper, HelperExtras, HelperOutput};
use crate::protocol::source::Source;
use crate::protocol::standing::{SourceStanding, TryResult};
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use crate::sys::write::write_all;
use rustix::event::PollFd;
use rustix::fs::{MemfdFlags, SeekFrom};
use rustix::io::Errno;
use rustix::process::Pid;
use spec::HookAction;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long an action may take. A pause lasts as long as it says.
const ACTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than any process lives: a century.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Variables for the programs of a hook, with their values.
pub(crate) type HookVariables = Vec<(&'static str, String)>;

/// A hook that runs.
pub(crate) struct Hook<'p> {
    /// The option with its actions, for messages.
    option: &'static str,
    /// The actions that have not begun.
    actions: std::slice::Iter<'p, HookAction>,
    variables: HookVariables,
    /// What programs find on their standard input.
    input: String,
    step: HookStep<'p>,
    /// Programs that were killed and not reaped yet.
    ending: Vec<Pid>,
}

/// The action that is under way.
enum HookStep<'p> {
    None,
    /// With the program, and when it is killed.
    Exec(&'p str, Helper, Instant),
    /// With when it is given up.
    Post(&'p Source, Prober, Instant),
    /// With its end.
    Sleep(Instant),
}

/// What one poll of a hook has found.
#[derive(Debug, Default)]
pub(crate) struct HookUpdate {
    /// A sentence for each action that has failed.
    pub(crate) failures: Vec<String>,
    /// All of its actions have ended.
    pub(crate) is_over: bool,
}

impl<'p> Hook<'p> {
    pub(crate) fn new(
        option: &'static str,
        actions: &'p [HookAction],
        variables: HookVariables,
    ) -> Hook<'p> {
        Hook {
            option,
            actions: actions.iter(),
            variables,
            input: String::new(),
            step: HookStep::None,
            ending: Vec::new(),
        }
    }

    /// Each program finds this text on its standard input.
    pub(crate) fn with_input(self, input: String) -> Hook<'p> {
        Hook { input, ..self }
    }

    /// What wakes the loop.
    pub(crate) fn interests(&self) -> Vec<PollFd<'_>> {
        match &self.step {
            HookStep::Post(_, prober, _) => prober.interests(),
            // The end of a program arrives as a signal.
            HookStep::None | HookStep::Exec(..) | HookStep::Sleep(_) => Vec::new(),
        }
    }

    /// When to poll it even if no descriptor is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            HookStep::None => Some(Instant::now()),
            HookStep::Exec(_, helper, _) if helper.status().is_some() => Some(Instant::now()),
            HookStep::Exec(_, _, deadline) | HookStep::Sleep(deadline) => Some(*deadline),
            HookStep::Post(_, prober, deadline) => {
                prober.deadline().into_iter().chain([*deadline]).min()
            }
        }
    }

    /// The processes that run for it.
    pub(crate) fn helpers(&self) -> Vec<Pid> {
        let mut helpers = self.ending.clone();
        helpers.extend(self.step.helpers());
        helpers
    }

    /// A child that is not CMD was reaped: perhaps one of its processes.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.ending.retain(|ending| *ending != pid);
        match &mut self.step {
            HookStep::Exec(_, helper, _) => helper.reaped(pid, status),
            HookStep::Post(_, prober, _) => prober.reaped(pid, status),
            HookStep::None | HookStep::Sleep(_) => {}
        }
    }

    /// Goes on as far as possible without waiting.
    pub(crate) fn poll(&mut self, signals: &Signals) -> HookUpdate {
        let mut update = HookUpdate::default();
        loop {
            if let Err(why) = self.finish_step() {
                update.failures.push(format!("{}: {why}", self.option));
            }
            if !matches!(self.step, HookStep::None) {
                return update;
            }
            let Some(action) = self.actions.next() else {
                update.is_over = true;
                return update;
            };
            match self.begin(action, signals, &mut update) {
                Ok(step) => self.step = step,
                Err(why) => update.failures.push(format!("{}: {why}", self.option)),
            }
        }
    }

    /// Ends the step under way if it is over.
    ///
    /// # Errors
    /// Why the action has failed.
    fn finish_step(&mut self) -> Result<(), String> {
        let now = Instant::now();
        let result = match &mut self.step {
            HookStep::None => return Ok(()),
            HookStep::Sleep(until) if now < *until => return Ok(()),
            HookStep::Sleep(_) => Ok(()),
            HookStep::Exec(program, helper, deadline) => match helper.status() {
                None if now < *deadline => return Ok(()),
                None => {
                    let limit = Limit::After(ACTION_TIMEOUT);
                    Err(format!("{program} did not end within {limit}: killed it"))
                }
                Some(status) => end_of(program, status),
            },
            HookStep::Post(source, prober, deadline) => {
                // What it warns of is part of the sentence at the end.
                prober.poll();
                let last = prober.standing(source).and_then(SourceStanding::last);
                match last {
                    Some(TryResult::Success) => Ok(()),
                    _ if now < *deadline => return Ok(()),
                    last => Err(not_posted(source, last)),
                }
            }
        };
        // What still runs ends with it.
        self.ending.extend(self.step.helpers());
        self.step = HookStep::None;
        result
    }

    /// # Errors
    /// Why the action cannot begin.
    fn begin(
        &self,
        action: &'p HookAction,
        signals: &Signals,
        update: &mut HookUpdate,
    ) -> Result<HookStep<'p>, String> {
        let now = Instant::now();
        match action {
            HookAction::Post(source) => {
                let prober = Prober::new([source]);
                Ok(HookStep::Post(source, prober, now + ACTION_TIMEOUT))
            }
            HookAction::Sleep(duration) => {
                // An end that cannot be written is never reached.
                let until = now.checked_add(*duration).unwrap_or(now + FOREVER);
                Ok(HookStep::Sleep(until))
            }
            HookAction::Exec(words) => {
                let program = words.first().map_or("", String::as_str);
                let helper = self.run_program(words, signals, update);
                helper
                    .map(|helper| HookStep::Exec(program, helper, now + ACTION_TIMEOUT))
                    .map_err(|why| format!("cannot run {program}: {why}"))
            }
        }
    }

    /// # Errors
    /// Why the program cannot be run.
    fn run_program(
        &self,
        words: &[String],
        signals: &Signals,
        update: &mut HookUpdate,
    ) -> Result<Helper, String> {
        let line = CommandLine::new(words).ok_or("a word contains a NUL byte")?;
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| (*name, value.as_str()));
        let input = input_file(&self.input).unwrap_or_else(|errno| {
            let why = describe(&errno.into());
            let failure = format!("{}: no list of changes: {why}", self.option);
            update.failures.push(failure);
            None
        });
        let extras = HelperExtras {
            input,
            variables: &variables.collect::<Vec<_>>(),
        };
        Helper::start_with(&line, signals, HelperOutput::Stderr, extras)
    }
}

/// A file with this text, to be read from its start; `None` for no text. A pipe would hold up this
/// process where the program does not read.
fn input_file(text: &str) -> Result<Option<OwnedFd>, Errno> {
    if text.is_empty() {
        return Ok(None);
    }
    let file = rustix::fs::memfd_create("exitdir-changes", MemfdFlags::CLOEXEC)?;
    write_all(&file, text.as_bytes())?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(Some(file))
}

impl HookStep<'_> {
    /// The processes that run for it, and were not reaped.
    fn helpers(&self) -> Vec<Pid> {
        match self {
            HookStep::Exec(_, helper, _) if helper.status().is_none() => vec![helper.pid()],
            HookStep::Post(_, prober, _) => prober.helpers(),
            HookStep::None | HookStep::Exec(..) | HookStep::Sleep(_) => Vec::new(),
        }
    }
}

/// Why a POST was given up, after this result of its last try.
fn not_posted(source: &Source, last: Option<TryResult>) -> String {
    let why = last.map_or_else(|| "no answer".to_owned(), |last| reason(source, last));
    let limit = Limit::After(ACTION_TIMEOUT);
    format!("gave up {source} after {limit}: {why}")
}

/// Whether a program that has ended has done its work.
fn end_of(program: &str, status: Option<ExitStatus>) -> Result<(), String> {
    match status {
        Some(ExitStatus::Exited(0)) => Ok(()),
        Some(ExitStatus::Exited(code)) => Err(format!("{program} exited with {code}")),
        Some(ExitStatus::Signaled(signal)) => Err(format!("{program} was ended by {signal}")),
        None => Err(format!("{program} has failed")),
    }
}
