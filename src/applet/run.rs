//! `exitdir-run`: what its options mean. What they are is in `run_options.rs`; the life itself is lived in
//! [`crate::run`].

use super::args::{CommandSpec, ParsedArgs, Positionals, parse};
use super::run_options::{
    ACTIVE_WHILE, BIRTH_DEPS, BIRTH_TIMEOUT, CONFIG, CONFIG_CHECK, CONFIG_TAR, DEATH_DEPS,
    EXIT_ONLY, EXPECT_CODE, GRACE_PERIOD, GROUP, NAME, ON_CONFIG, PARENT_DEATH_SIGNAL, PASS_CODE,
    QUIET, READY_ON, RESTART, RESTART_LIMIT, REWRITE, RUN_POLL, SPEC, STOP_DELAY, STOP_SIGNAL,
    SUBREAPER, TIMEOUT, VERBOSE, WAIT_DESCENDANTS,
};
use super::{
    answer_help_or_version, directory, read_code, read_duration, read_name, usage_sentence,
};
use crate::duration::Limit;
use crate::error::describe;
use crate::log::{Level, Logger};
use crate::managed::ManagedApp;
use crate::managed::spec::{ConfigItem, ManagedSpec};
use crate::protocol::condition::Condition;
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::readiness::spec::ReadyOn;
use crate::run::plan::{ExitDirOptions, Plan, Publish, leave_word};
use crate::run::termination_log;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::rules::{OnConfig, Restart, Rules};
use crate::sys::command_line::CommandLine;
use crate::sys::process::{SignalTarget, become_subreaper, set_parent_death_signal};
use crate::sys::signals::Signals;
use crate::sys::startup::is_ignored;
use crate::{exit, run};
use rustix::process::{Pid, getppid};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const VOICE: Logger = Logger::new(SPEC.name);
const DEFAULT_BIRTH_TIMEOUT: Limit = Limit::After(Duration::from_secs(5 * 60));
const DEFAULT_GRACE_PERIOD: Limit = Limit::After(Duration::from_secs(30));

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let bootstrap = match Bootstrap::new(&VOICE) {
        Ok(bootstrap) => bootstrap,
        Err(status) => return status,
    };
    let mut typed = parse(SPEC.options, Positionals::Command, arguments);
    if let Some(status) = answer_help_or_version(&SPEC, &VOICE, &typed) {
        return status;
    }
    typed.add_variables(SPEC.options);
    bootstrap.supervise(&typed, &SPEC)
}

/// What a supervisor takes hold of before anything else, so that nothing of it is lost.
pub(super) struct Bootstrap {
    signals: Signals,
    /// Who our parent was at first.
    parent: Option<Pid>,
}

impl Bootstrap {
    pub(super) fn new(voice: &Logger) -> Result<Bootstrap, u8> {
        let signals = Signals::block().map_err(|error| {
            voice.error(format!("cannot block signals: {}", describe(&error)));
            exit::FAILURE
        })?;
        let parent = getppid();
        Ok(Bootstrap { signals, parent })
    }

    /// Lives the life that was asked for, and returns its exit status.
    pub(super) fn supervise(&self, typed: &ParsedArgs, spec: &CommandSpec) -> u8 {
        let voice = Logger::new(spec.name);
        let meaning = plan(typed, voice).and_then(|plan| Ok((plan, process_options(typed)?)));
        let (plan, process) = match meaning {
            Ok(meaning) => meaning,
            Err(sentence) => return refuse(typed, voice, &usage_sentence(spec, &sentence)),
        };
        if let Err(sentence) = process.apply(self.parent) {
            return refuse(typed, voice, &sentence);
        }
        let managed = match manage(&plan) {
            Ok(managed) => managed,
            Err(sentence) => return refuse(typed, voice, &sentence),
        };
        run::live(&plan, managed, &self.signals).unwrap_or_else(|sentence| {
            plan.logger.error(&sentence);
            termination_log::leave(&plan.logger.prefixed(&sentence));
            exit::FAILURE
        })
    }
}

/// Finds out before anything else whether configuration can be put where it is to be.
fn manage(plan: &Plan) -> Result<Option<ManagedApp<'_>>, String> {
    if !plan.management.is_needed() {
        return Ok(None);
    }
    let dir = plan.membership.as_ref().map(|membership| &membership.dir);
    ManagedApp::prepare(&plan.management, dir, plan.poll).map(Some)
}

/// A life that cannot begin: said to people, to Kubernetes, and to those who wait for us.
fn refuse(typed: &ParsedArgs, voice: Logger, sentence: &str) -> u8 {
    voice.error(sentence);
    termination_log::leave(&voice.prefixed(sentence));
    if let (Some(dir), Ok(name)) = (directory(typed), typed.value(&NAME, read_name)) {
        let membership = ExitDirOptions {
            dir,
            name,
            presence: Publish::Always,
        };
        // If not even that can be written there is nothing to add to the sentence above.
        let _ = leave_word(&membership, exit::FAILURE, sentence);
    }
    exit::FAILURE
}

/// What this process wants to be for its parent and for orphans.
struct ProcessOptions {
    adopt_orphans: bool,
    parent_death_signal: Option<Signal>,
}

fn process_options(typed: &ParsedArgs) -> Result<ProcessOptions, String> {
    Ok(ProcessOptions {
        adopt_orphans: typed.has(&SUBREAPER) || typed.has(&WAIT_DESCENDANTS),
        parent_death_signal: typed.value(&PARENT_DEATH_SIGNAL, read_signal)?,
    })
}

impl ProcessOptions {
    /// Tells the kernel. `parent` is who was our parent at first.
    fn apply(&self, parent: Option<Pid>) -> Result<(), String> {
        if self.adopt_orphans {
            become_subreaper()
                .map_err(|error| format!("cannot adopt orphans: {}", describe(&error)))?;
        }
        if let Some(signal) = self.parent_death_signal {
            set_parent_death_signal(signal, parent).map_err(|error| {
                let because = describe(&error);
                format!("cannot set {signal} as the parent death signal: {because}")
            })?;
        }
        Ok(())
    }
}

fn plan(typed: &ParsedArgs, voice: Logger) -> Result<Plan, String> {
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
            SignalTarget::Group
        } else {
            SignalTarget::Process
        },
        command: command(typed)?,
        logger: voice.at(level(typed)),
    };
    check_dependencies(&plan)?;
    Ok(plan)
}

fn rules(typed: &ParsedArgs, ready_on: &ReadyOn) -> Result<Rules, String> {
    let duration = |opt, default| {
        typed
            .value(opt, read_duration)
            .map(|value| value.unwrap_or(default))
    };
    let ignored = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM]
        .into_iter()
        .filter(|signal| is_ignored(*signal));
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
        expected_codes: typed.list(&EXPECT_CODE, read_code)?,
        ready_on_start: *ready_on == ReadyOn::Start,
        ignored_signals: ignored.fold(SignalSet::default(), SignalSet::with),
        on_config: on_config(typed, stop_signal)?,
    })
}

fn on_config(typed: &ParsedArgs, stop_signal: Signal) -> Result<OnConfig, String> {
    match typed.value(&ON_CONFIG, read_on_config)? {
        Some(OnConfig::Send(signal)) if signal == stop_signal => Err(format!(
            "--on-config {signal}: {signal} stops CMD; use restart"
        )),
        chosen => Ok(chosen.unwrap_or(OnConfig::Restart)),
    }
}

fn management(typed: &ParsedArgs) -> Result<ManagedSpec, String> {
    let mut items = typed.list(&CONFIG, ConfigItem::parse)?;
    items.extend(typed.list(&CONFIG_TAR, ConfigItem::parse_archive)?);
    let management = ManagedSpec {
        items,
        check: typed.value(&CONFIG_CHECK, read_program)?,
        active_while: typed.value(&ACTIVE_WHILE, read_file)?,
    };
    let needy = [&CONFIG_CHECK, &ON_CONFIG];
    let needy = needy.into_iter().find_map(|opt| typed.spelled(opt));
    match (needy, management.conflicting_target()) {
        (Some(spelled), _) if management.items.is_empty() => {
            Err(format!("{spelled} needs --config or --config-tar"))
        }
        (_, Some(place)) => Err(format!(
            "destinations overlap: {} is the same as another one, or inside it",
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
            Err(format!("CMD cannot handle {signal}"))
        }
        Some(signal) => Ok(OnConfig::Send(signal)),
        None => Err("expected restart or a signal, as in HUP".to_owned()),
    }
}

fn membership(typed: &ParsedArgs) -> Result<Option<ExitDirOptions>, String> {
    let name = typed.value(&NAME, read_name)?;
    let presence = if typed.has(&EXIT_ONLY) {
        Publish::AtExit
    } else {
        Publish::Always
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
        (None, Publish::AtExit) => Err("--exit-only needs --name".to_owned()),
        (name, presence) => Ok(Some(ExitDirOptions {
            dir,
            name,
            presence,
        })),
    }
}

fn command(typed: &ParsedArgs) -> Result<CommandLine, String> {
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
    let is_exit_only = presence == Some(Publish::AtExit);
    let mut conditions = plan.birth_deps.iter().chain(&plan.death_deps);
    match conditions.find(|condition| condition.name.is_some() && condition.name.as_ref() == own) {
        Some(condition) => Err(format!("{condition}: a life cannot depend on itself")),
        None if plan.ready_on == ReadyOn::Signal && own.is_none() => {
            Err("--ready-on signal needs --name".to_owned())
        }
        // Whoever says so would put a file into a directory where any file means exit.
        None if plan.ready_on == ReadyOn::Signal && is_exit_only => {
            Err("--ready-on signal and --exit-only exclude each other".to_owned())
        }
        None => Ok(()),
    }
}

fn level(typed: &ParsedArgs) -> Level {
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
        return Err(format!("{from} is never forwarded"));
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
