//! `exitdir-run`: what its options mean. The life itself is lived in [`crate::event_loop`].

use super::options::{DIR, HELP, Opt, POLL, Synopsis, Typed, VERSION, Words, flag, parse, valued};
use super::{answer, directory, read_code, read_duration, read_name, usage_sentence};
use crate::config::{ConfigItem, Management};
use crate::error::describe;
use crate::event_loop;
use crate::managed::Managed;
use crate::plan::{Membership, Plan, Presence, leave_word};
use crate::ready_on::ReadyOn;
use crate::supervisor::{Forwarding, OnConfig, Restart, Rules};
use crate::sys::{self, CommandLine, Signals, Target};
use crate::voice::{Level, Voice};
use crate::{Condition, Limit, Name, Signal, SignalSet, State, exit, termination_log};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const NAME: Opt = valued(
    Some('n'),
    "name",
    "NAME",
    "this life's name; without it there is no tombstone",
)
.with_variable();
const EXIT_ONLY: Opt = flag(None, "exit-only", "write nothing until death").with_variable();
pub(super) const BIRTH_DEPS: Opt = valued(
    None,
    "birth-deps",
    "COND,...",
    "start CMD when all hold; NAME alone means NAME:ready",
)
.with_variable();
pub(super) const BIRTH_TIMEOUT: Opt = valued(
    None,
    "birth-timeout",
    "DURATION",
    "then give up: 124 (default 5m)",
)
.with_variable();
pub(super) const DEATH_DEPS: Opt = valued(
    None,
    "death-deps",
    "COND,...",
    "stop CMD when any holds; NAME alone means NAME:died",
)
.with_variable();
pub(super) const GRACE_PERIOD: Opt = valued(
    None,
    "grace-period",
    "DURATION",
    "from the stop signal to KILL (default 30s)",
)
.with_variable();
const STOP_SIGNAL: Opt = valued(
    None,
    "stop-signal",
    "SIG",
    "what a stop sends first, and for a TERM from outside (default TERM)",
)
.with_variable();
const STOP_DELAY: Opt = valued(
    None,
    "stop-delay",
    "DURATION",
    "wait this long before passing on a TERM from outside",
)
.with_variable();
const TIMEOUT: Opt = valued(
    None,
    "timeout",
    "DURATION",
    "stop CMD when it has run this long: 124",
)
.with_variable();
const PASS_CODE: Opt = flag(
    None,
    "pass-code",
    "after a stop, exit with CMD's own status",
)
.with_variable();
const EXPECT_CODE: Opt = valued(
    Some('e'),
    "expect-code",
    "N",
    "CMD's status N counts as 0; repeatable",
)
.with_variable();
const GROUP: Opt = flag(Some('g'), "group", "signals go to CMD's process group").with_variable();
const SUBREAPER: Opt = flag(
    Some('s'),
    "subreaper",
    "adopt and reap orphans also when not PID 1",
)
.with_variable();
const PARENT_DEATH_SIGNAL: Opt = valued(
    Some('p'),
    "parent-death-signal",
    "SIG",
    "ask for SIG when our parent dies",
)
.with_variable();
const REWRITE: Opt = valued(
    None,
    "rewrite",
    "A:B",
    "pass on signal B for A; B 0 drops it; repeatable",
)
.with_variable();
const WAIT_DESCENDANTS: Opt = flag(
    None,
    "wait-descendants",
    "after CMD, stop and wait for all that it left behind; implies -s",
)
.with_variable();
const RESTART: Opt = valued(
    None,
    "restart",
    "WHEN",
    "start CMD again: never, on-failure, always (default never)",
)
.with_variable();
const RESTART_LIMIT: Opt = valued(
    None,
    "restart-limit",
    "N",
    "after N restarts, die with the last status",
)
.with_variable();
const TINI_WARN: Opt = flag(
    Some('w'),
    "",
    "accepted, because tini has it; changes nothing",
);
const READY_ON: Opt = valued(
    None,
    "ready-on",
    "SOURCE",
    "start, notify, fd[:N], file:PATH, tcp:, http:, exec:, signal",
)
.with_variable();
/// The heading of the options for an application that follows configuration and activation.
const MANAGED: &str = "Configuration and activation";
const CONFIG: Opt = valued(
    None,
    "config",
    "SRC[=DST],...",
    "a file or directory that CMD is configured with; DST is a copy",
)
.with_variable()
.under(MANAGED);
const CONFIG_TAR: Opt = valued(
    None,
    "config-tar",
    "SRC=DIR,...",
    "a tar archive that CMD is configured with, unpacked in DIR",
)
.with_variable()
.under(MANAGED);
const CONFIG_CHECK: Opt = valued(
    None,
    "config-check",
    "PROG",
    "ask PROG, with the candidate as last argument, before it counts",
)
.with_variable()
.under(MANAGED);
const ON_CONFIG: Opt = valued(
    None,
    "on-config",
    "ACTION",
    "after a change: restart CMD (default), or the signal to send it",
)
.with_variable()
.under(MANAGED);
const ACTIVE_WHILE: Opt = valued(None, "active-while", "FILE", "CMD runs while FILE exists")
    .with_variable()
    .under(MANAGED);
const RUN_POLL: Opt = POLL.with_variable();
const VERBOSE: Opt = flag(Some('v'), "verbose", "say more").with_variable();
const QUIET: Opt = flag(Some('q'), "quiet", "say only errors").with_variable();

pub(super) const SYNOPSIS: Synopsis = Synopsis {
    name: "exitdir-run",
    usage: "[OPTION]... [--] CMD [ARG]...",
    about: "Run CMD as a child, as PID 1 or not, and live the life of NAME in the exit directory.",
    options: &[
        &DIR,
        &NAME,
        &EXIT_ONLY,
        &BIRTH_DEPS,
        &BIRTH_TIMEOUT,
        &DEATH_DEPS,
        &GRACE_PERIOD,
        &STOP_SIGNAL,
        &STOP_DELAY,
        &TIMEOUT,
        &PASS_CODE,
        &EXPECT_CODE,
        &GROUP,
        &SUBREAPER,
        &PARENT_DEATH_SIGNAL,
        &REWRITE,
        &WAIT_DESCENDANTS,
        &READY_ON,
        &RESTART,
        &RESTART_LIMIT,
        &RUN_POLL,
        &VERBOSE,
        &QUIET,
        &TINI_WARN,
        &HELP,
        &VERSION,
        &CONFIG,
        &CONFIG_TAR,
        &CONFIG_CHECK,
        &ON_CONFIG,
        &ACTIVE_WHILE,
    ],
    notes: "Every option can be given as a variable: EXITDIR_ and its name in capitals, as in\n\
            EXITDIR_DEATH_DEPS; the directory's is EXIT_DIR. A COND is NAME[:STATE]; see exitdir-wait.\n\n\
            Exit status: CMD's own; 128+n if signal n ended it; 124 timeout; 125 own failure or usage;\n\
            126, 127 CMD cannot be executed, was not found. After a stop for a death dependency: 0 if\n\
            that died with 0 and CMD obeyed; never 0 if it failed.",
};

const VOICE: Voice = Voice::new(SYNOPSIS.name);
const DEFAULT_BIRTH_TIMEOUT: Limit = Limit::After(Duration::from_secs(5 * 60));
const DEFAULT_GRACE_PERIOD: Limit = Limit::After(Duration::from_secs(30));

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let stage = match Stage::set(&VOICE) {
        Ok(stage) => stage,
        Err(status) => return status,
    };
    let mut typed = parse(SYNOPSIS.options, Words::Command, arguments);
    if let Some(status) = answer(&SYNOPSIS, &VOICE, &typed) {
        return status;
    }
    typed.add_variables(SYNOPSIS.options);
    stage.live(&typed, &SYNOPSIS)
}

/// What a supervisor takes hold of before anything else, so that nothing of it is lost.
pub(super) struct Stage {
    signals: Signals,
    /// Who our parent was at first.
    parent: i32,
}

impl Stage {
    pub(super) fn set(voice: &Voice) -> Result<Stage, u8> {
        let signals = Signals::block().map_err(|error| {
            voice.error(format!("cannot block signals: {}", describe(&error)));
            exit::FAILURE
        })?;
        let parent = sys::parent();
        Ok(Stage { signals, parent })
    }

    /// Lives the life that was asked for, and returns its exit status.
    pub(super) fn live(&self, typed: &Typed, synopsis: &Synopsis) -> u8 {
        let voice = Voice::new(synopsis.name);
        let understood = plan(typed, voice).and_then(|plan| Ok((plan, family(typed)?)));
        let (plan, family) = match understood {
            Ok(understood) => understood,
            Err(sentence) => return refuse(typed, voice, &usage_sentence(synopsis, &sentence)),
        };
        if let Err(sentence) = family.settle(self.parent) {
            return refuse(typed, voice, &sentence);
        }
        let managed = match manage(&plan) {
            Ok(managed) => managed,
            Err(sentence) => return refuse(typed, voice, &sentence),
        };
        event_loop::live(&plan, managed, &self.signals).unwrap_or_else(|sentence| {
            plan.voice.error(&sentence);
            termination_log::leave(&plan.voice.signed(&sentence));
            exit::FAILURE
        })
    }
}

/// Finds out before anything else whether configuration can be put where it is to be.
fn manage(plan: &Plan) -> Result<Option<Managed<'_>>, String> {
    if !plan.management.is_needed() {
        return Ok(None);
    }
    let dir = plan.membership.as_ref().map(|membership| &membership.dir);
    Managed::prepare(&plan.management, dir, plan.poll).map(Some)
}

/// A life that cannot begin: said to people, to Kubernetes, and to those who wait for us.
fn refuse(typed: &Typed, voice: Voice, sentence: &str) -> u8 {
    voice.error(sentence);
    termination_log::leave(&voice.signed(sentence));
    if let (Some(dir), Ok(name)) = (directory(typed), typed.value(&NAME, read_name)) {
        let membership = Membership {
            dir,
            name,
            presence: Presence::Open,
        };
        // If not even that can be written there is nothing to add to the sentence above.
        let _ = leave_word(&membership, exit::FAILURE, sentence);
    }
    exit::FAILURE
}

/// What this process wants to be for its parent and for orphans.
struct Family {
    adopt_orphans: bool,
    parent_death_signal: Option<Signal>,
}

fn family(typed: &Typed) -> Result<Family, String> {
    Ok(Family {
        adopt_orphans: typed.has(&SUBREAPER) || typed.has(&WAIT_DESCENDANTS),
        parent_death_signal: typed.value(&PARENT_DEATH_SIGNAL, read_signal)?,
    })
}

impl Family {
    /// Tells the kernel. `parent` is who was our parent at first.
    fn settle(&self, parent: i32) -> Result<(), String> {
        if self.adopt_orphans {
            sys::adopt_orphans()
                .map_err(|error| format!("cannot adopt orphans: {}", describe(&error)))?;
        }
        if let Some(signal) = self.parent_death_signal {
            sys::ask_for_parent_death(signal, parent).map_err(|error| {
                let because = describe(&error);
                format!("cannot ask for {signal} at the death of the parent: {because}")
            })?;
        }
        Ok(())
    }
}

fn plan(typed: &Typed, voice: Voice) -> Result<Plan, String> {
    if let Some(error) = &typed.error {
        return Err(error.clone());
    }
    let conditions = |opt, default| typed.list(opt, |text| Condition::parse(text, default));
    let ready_on = typed.value(&READY_ON, ReadyOn::parse)?;
    let ready_on = ready_on.unwrap_or(ReadyOn::Start);
    let plan = Plan {
        membership: membership(typed)?,
        birth_deps: conditions(&BIRTH_DEPS, State::Ready)?,
        death_deps: conditions(&DEATH_DEPS, State::Died)?,
        poll: typed.value(&RUN_POLL, read_duration)?,
        rules: rules(typed, &ready_on)?,
        ready_on,
        management: management(typed)?,
        target: if typed.has(&GROUP) {
            Target::Group
        } else {
            Target::Process
        },
        command: command(typed)?,
        voice: voice.at(level(typed)),
    };
    check_dependencies(&plan)?;
    Ok(plan)
}

fn rules(typed: &Typed, ready_on: &ReadyOn) -> Result<Rules, String> {
    let duration = |opt, default| {
        typed
            .value(opt, read_duration)
            .map(|value| value.unwrap_or(default))
    };
    let ignored = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM]
        .into_iter()
        .filter(|signal| sys::is_ignored(*signal));
    let stop_signal = typed
        .value(&STOP_SIGNAL, read_signal)?
        .unwrap_or(Signal::TERM);
    Ok(Rules {
        birth_timeout: duration(&BIRTH_TIMEOUT, DEFAULT_BIRTH_TIMEOUT)?,
        run_timeout: duration(&TIMEOUT, Limit::Never)?,
        grace_period: duration(&GRACE_PERIOD, DEFAULT_GRACE_PERIOD)?,
        stop_signal,
        forwarding: Forwarding::new(stop_signal, &typed.list(&REWRITE, read_rewrite)?),
        stop_delay: duration(&STOP_DELAY, Limit::After(Duration::ZERO))?,
        restart: typed
            .value(&RESTART, read_restart)?
            .unwrap_or(Restart::Never),
        restart_limit: typed.value(&RESTART_LIMIT, read_count)?,
        wait_descendants: typed.has(&WAIT_DESCENDANTS),
        pass_code: typed.has(&PASS_CODE),
        expected: typed.list(&EXPECT_CODE, read_code)?,
        ready_on_start: *ready_on == ReadyOn::Start,
        ignored: ignored.fold(SignalSet::default(), SignalSet::with),
        on_config: on_config(typed, stop_signal)?,
    })
}

fn on_config(typed: &Typed, stop_signal: Signal) -> Result<OnConfig, String> {
    match typed.value(&ON_CONFIG, read_on_config)? {
        Some(OnConfig::Send(signal)) if signal == stop_signal => Err(format!(
            "--on-config {signal}: that is what tells CMD to stop; say restart"
        )),
        chosen => Ok(chosen.unwrap_or(OnConfig::Restart)),
    }
}

fn management(typed: &Typed) -> Result<Management, String> {
    let mut items = typed.list(&CONFIG, ConfigItem::parse)?;
    items.extend(typed.list(&CONFIG_TAR, ConfigItem::parse_archive)?);
    let management = Management {
        items,
        check: typed.value(&CONFIG_CHECK, read_program)?,
        active_while: typed.value(&ACTIVE_WHILE, read_file)?,
    };
    let needy = [&CONFIG_CHECK, &ON_CONFIG];
    let needy = needy.into_iter().find_map(|opt| typed.spelled(opt));
    match (needy, management.contested()) {
        (Some(spelled), _) if management.items.is_empty() => {
            Err(format!("{spelled} needs a --config or a --config-tar"))
        }
        (_, Some(place)) => Err(format!(
            "two configurations cannot be put in one place: {}",
            place.display()
        )),
        (_, None) => Ok(management),
    }
}

/// A program and its first arguments, split at spaces.
fn read_program(text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        return Err("expected a program".to_owned());
    }
    Ok(words)
}

fn read_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.file_name() {
        Some(_) => Ok(path),
        None => Err("expected a file".to_owned()),
    }
}

fn read_on_config(text: &str) -> Result<OnConfig, String> {
    if text == "restart" {
        return Ok(OnConfig::Restart);
    }
    match Signal::parse(text) {
        Some(signal) if [Signal::KILL, Signal::STOP].contains(&signal) => {
            Err(format!("{signal} tells CMD nothing"))
        }
        Some(signal) => Ok(OnConfig::Send(signal)),
        None => Err("expected restart or a signal, as in HUP".to_owned()),
    }
}

fn membership(typed: &Typed) -> Result<Option<Membership>, String> {
    let name = typed.value(&NAME, read_name)?;
    let presence = if typed.has(&EXIT_ONLY) {
        Presence::ExitOnly
    } else {
        Presence::Open
    };
    let Some(dir) = directory(typed) else {
        let needy = [&NAME, &EXIT_ONLY, &BIRTH_DEPS, &DEATH_DEPS]
            .into_iter()
            .find_map(|opt| typed.spelled(opt));
        return match needy {
            Some(spelled) => Err(format!(
                "{spelled} needs an exit directory: set EXIT_DIR or give --dir DIR"
            )),
            None => Ok(None),
        };
    };
    match (name, presence) {
        (None, Presence::ExitOnly) => Err("--exit-only needs a --name".to_owned()),
        (name, presence) => Ok(Some(Membership {
            dir,
            name,
            presence,
        })),
    }
}

fn command(typed: &Typed) -> Result<CommandLine, String> {
    let words = typed.command.as_deref().unwrap_or_default();
    CommandLine::new(words).ok_or_else(|| "no CMD to run".to_owned())
}

fn check_dependencies(plan: &Plan) -> Result<(), String> {
    let own: Option<&Name> = plan
        .membership
        .as_ref()
        .and_then(|membership| membership.name.as_ref());
    let presence = plan
        .membership
        .as_ref()
        .map(|membership| membership.presence);
    let is_exit_only = presence == Some(Presence::ExitOnly);
    let mut conditions = plan.birth_deps.iter().chain(&plan.death_deps);
    match conditions.find(|condition| condition.name.is_some() && condition.name.as_ref() == own) {
        Some(condition) => Err(format!(
            "{condition} is this life itself, which cannot depend on itself"
        )),
        None if plan.ready_on == ReadyOn::Signal && own.is_none() => {
            Err("--ready-on signal needs a --name".to_owned())
        }
        // Whoever says so would put a file into a directory where any file means exit.
        None if plan.ready_on == ReadyOn::Signal && is_exit_only => {
            Err("--ready-on signal and --exit-only exclude each other".to_owned())
        }
        None => Ok(()),
    }
}

fn level(typed: &Typed) -> Level {
    match typed.latest(&[&VERBOSE, &QUIET]) {
        Some(opt) if opt.long == VERBOSE.long => Level::Verbose,
        Some(_) => Level::Quiet,
        None => Level::Normal,
    }
}

fn read_signal(text: &str) -> Result<Signal, String> {
    Signal::parse(text)
        .ok_or_else(|| "not a signal: expected TERM, SIGTERM, 15 or RTMIN+3".to_owned())
}

/// One word of `--rewrite`: what the command gets for a signal; `None` for nothing.
fn read_rewrite(text: &str) -> Result<(Signal, Option<Signal>), String> {
    let expected = || "expected A:B, two signals, or A:0".to_owned();
    let (from, to) = text.split_once(':').ok_or_else(expected)?;
    let from = Signal::parse(from).ok_or_else(expected)?;
    if [Signal::KILL, Signal::STOP, Signal::CHLD].contains(&from) {
        return Err(format!("{from} is never passed on"));
    }
    match to {
        "0" => Ok((from, None)),
        to => Ok((from, Some(Signal::parse(to).ok_or_else(expected)?))),
    }
}

fn read_restart(text: &str) -> Result<Restart, String> {
    match text {
        "never" => Ok(Restart::Never),
        "on-failure" => Ok(Restart::OnFailure),
        "always" => Ok(Restart::Always),
        _ => Err("expected never, on-failure or always".to_owned()),
    }
}

fn read_count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("expected a number up to {}", u32::MAX))
}
