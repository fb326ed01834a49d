//! `exitdir-run`: what its options mean, taken together.

use super::args::ParsedArgs;
use super::run_options::{
    ACTIVE_WHILE, BIRTH_DEPS, BIRTH_TIMEOUT, CONFIG, CONFIG_CHECK, CONFIG_TAR, DEATH_DEPS,
    EXIT_ONLY, EXPECT_CODE, FAIL_FAST, GRACE_PERIOD, GROUP, MISSING_TIMEOUT, NAME, ON_CONFIG,
    ON_EXIT, PRE_STOP, READY_ON, RESTART, RESTART_LIMIT, REWRITE, RUN_POLL, START_ANYWAY,
    STOP_CODE, STOP_DELAY, STOP_SIGNAL, TERMINATION_LOG, TIMEOUT, VERBOSE, WAIT_DESCENDANTS,
};
use super::run_values::{
    read_codes, read_count, read_file, read_on_config, read_program, read_restart, read_rewrite,
    read_stop_code,
};
use super::spec::{Opt, QUIET};
use super::values::{
    SET_DIRECTORY, exit_dir, life_name, read_duration, read_file_name, read_stop_signal,
};
use crate::duration::Limit;
use crate::exit::CodeSet;
use crate::hook::spec::{HookAction, has_program, parse_actions};
use crate::log::{Level, Logger};
use crate::managed::spec::{ConfigItem, ManagedSpec};
use crate::protocol::condition::Condition;
use crate::protocol::item::{Item, Part, names, parts};
use crate::protocol::source::SourceKind;
use crate::protocol::state::State;
use crate::readiness::spec::ReadyOn;
use crate::run::plan::{ExitDirOptions, Plan, Publish, TiniMessages, WaitEnd};
use crate::run::termination_log::DEFAULT_PATH;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::rules::{OnConfig, Restart, Rules, StopCode};
use crate::sys::command_line::CommandLine;
use crate::sys::environment::listen_count;
use crate::sys::process::SignalTarget;
use crate::sys::startup::is_ignored;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_BIRTH_TIMEOUT: Limit = Limit::After(Duration::from_secs(5 * 60));
const DEFAULT_GRACE_PERIOD: Limit = Limit::After(Duration::from_secs(30));

/// What the options mean, taken together.
///
/// # Errors
/// The first mistake, in a sentence.
pub(super) fn plan(args: &ParsedArgs, logger: Logger) -> Result<Plan, String> {
    let birth_deps = dependencies(args, &BIRTH_DEPS, State::Ready);
    let death_deps = dependencies(args, &DEATH_DEPS, State::Died);
    let ready_on = args.value(&READY_ON, &ReadyOn::parse);
    let ready_on = ready_on.unwrap_or(ReadyOn::Start);
    let on_config = config_actions(args);
    let plan = Plan {
        exit_dir: exit_dir_options(args, &birth_deps, &death_deps),
        birth_deps,
        wait_end: wait_end(args),
        rules: rules(args, &ready_on, &death_deps),
        death_deps,
        poll: args.value(&RUN_POLL, &read_duration),
        ready_on,
        management: management(args, &on_config),
        pre_stop: actions(args, &PRE_STOP),
        on_config,
        on_exit: actions(args, &ON_EXIT),
        target: if args.has(&GROUP) {
            SignalTarget::Group
        } else {
            SignalTarget::Process
        },
        command: command(args)?,
        logger: logger.at(level(args)),
        termination_log: termination_log_path(args),
        tini: TiniMessages::default(),
    };
    if !args.names_are_off {
        check_dependencies(args, &plan);
    }
    args.unless_refused(plan)
}

/// The items that an option lists and that can be about something: none about a life if names are
/// switched off. A birth dependency on a source is then what is left of a group.
fn dependencies(args: &ParsedArgs, opt: &Opt, state: State) -> Vec<Item> {
    let mut items = items(args, opt, state);
    if args.names_are_off {
        for item in &mut items {
            let is_group_of_deaths = opt.long == DEATH_DEPS.long && names_lives(&*item);
            let is_kept = |part: &Part| part.source().is_some() && !is_group_of_deaths;
            item.parts.retain(is_kept);
        }
        items.retain(|item| !item.parts.is_empty());
    }
    items
}

fn names_lives(item: &Item) -> bool {
    item.parts.iter().any(|part| part.life().is_some())
}

/// The items that an option lists. A life without a state gets `state`.
fn items(args: &ParsedArgs, opt: &Opt, state: State) -> Vec<Item> {
    if args.is_of_kubexit(opt) {
        // kubexit lists names, and a colon is a part of a name.
        return args.list(opt, &|text| {
            let name = Some(read_file_name(text)?);
            Ok(Item::from(Condition { name, state }))
        });
    }
    let may_be_file = opt.long != DEATH_DEPS.long;
    args.list(opt, &|text| {
        let item = Item::parse(text, state)?;
        match item.parts.iter().any(is_file) && !may_be_file {
            true => Err("a file cannot die: write the death into the exit directory".to_owned()),
            false => Ok(item),
        }
    })
}

fn is_file(part: &Part) -> bool {
    let kind = part.source().map(|source| source.kind());
    matches!(kind, Some(SourceKind::File(_)))
}

/// Whether the part can be missing: a life without a name never is.
fn can_be_missing(part: &Part) -> bool {
    part.life().is_none_or(|life| life.name.is_some())
}

fn rules(args: &ParsedArgs, ready_on: &ReadyOn, death_deps: &[Item]) -> Rules {
    let duration = |opt, default| args.value(opt, &read_duration).unwrap_or(default);
    let ignored = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM]
        .into_iter()
        .filter(|signal| is_ignored(*signal));
    let stop_signal = args.value(&STOP_SIGNAL, &read_stop_signal);
    let stop_signal = stop_signal.unwrap_or(Signal::TERM);
    Rules {
        birth_timeout: duration(&BIRTH_TIMEOUT, DEFAULT_BIRTH_TIMEOUT),
        missing_timeout: duration(&MISSING_TIMEOUT, Limit::Never),
        names_death_deps: parts(death_deps).any(can_be_missing),
        run_timeout: duration(&TIMEOUT, Limit::Never),
        grace_period: duration(&GRACE_PERIOD, DEFAULT_GRACE_PERIOD),
        stop_signal,
        pre_stop: args.has(&PRE_STOP),
        forwarding: Forwarding::new(stop_signal, &args.list(&REWRITE, &read_rewrite)),
        stop_delay: duration(&STOP_DELAY, Limit::After(Duration::ZERO)),
        restart: args
            .value(&RESTART, &read_restart)
            .unwrap_or(Restart::Never),
        restart_limit: args.value(&RESTART_LIMIT, &read_count),
        wait_descendants: args.has(&WAIT_DESCENDANTS),
        stop_code: args
            .value(&STOP_CODE, &read_stop_code)
            .unwrap_or(StopCode::Table),
        expected_codes: expected_codes(args),
        ready_on_start: *ready_on == ReadyOn::Start,
        ignored_signals: ignored.fold(SignalSet::default(), SignalSet::with),
        on_config: on_config(args, stop_signal),
    }
}

/// The actions of an option, which may be given more than once.
fn actions(args: &ParsedArgs, opt: &Opt) -> Vec<HookAction> {
    args.lists(opt, &parse_actions)
}

fn wait_end(args: &ParsedArgs) -> WaitEnd {
    let (fails_fast, starts_anyway) = (args.has(&FAIL_FAST), args.has(&START_ANYWAY));
    if fails_fast && starts_anyway {
        args.refuse("--fail-fast and --start-anyway exclude each other".to_owned());
    }
    if fails_fast {
        WaitEnd::FailFast
    } else if starts_anyway {
        WaitEnd::StartAnyway
    } else {
        WaitEnd::GiveUp
    }
}

fn on_config(args: &ParsedArgs, stop_signal: Signal) -> OnConfig {
    let chosen = args.value(&ON_CONFIG, &read_on_config);
    if chosen == Some(OnConfig::Send(stop_signal)) {
        args.refuse(format!(
            "--on-config {stop_signal}: {stop_signal} stops CMD; use restart"
        ));
    }
    chosen.unwrap_or(OnConfig::Restart)
}

/// The actions of `--on-config`, if its last value is one. Then all of them must be.
fn config_actions(args: &ParsedArgs) -> Vec<HookAction> {
    match args.value(&ON_CONFIG, &read_on_config) {
        Some(OnConfig::Run) => actions(args, &ON_CONFIG),
        Some(OnConfig::Restart | OnConfig::Send(_) | OnConfig::Ignore) | None => Vec::new(),
    }
}

fn management(args: &ParsedArgs, on_config: &[HookAction]) -> ManagedSpec {
    let mut items = args.list(&CONFIG, &ConfigItem::parse);
    items.extend(args.list(&CONFIG_TAR, &ConfigItem::parse_archive));
    let management = ManagedSpec {
        items,
        check: args.value(&CONFIG_CHECK, &read_program),
        lists_changes: has_program(on_config),
        active_while: args.value(&ACTIVE_WHILE, &read_file),
    };
    let needs_config = first_given(args, &[&CONFIG_CHECK, &ON_CONFIG]);
    if let Some(option) = needs_config.filter(|_| management.items.is_empty()) {
        args.refuse(format!("{option} needs --config or --config-tar"));
    }
    if let Some(target) = management.conflicting_target() {
        args.refuse(format!(
            "destinations overlap: {} is the same as another one, or inside it",
            target.display()
        ));
    }
    management
}

/// Where the termination log is.
pub(super) fn termination_log_path(args: &ParsedArgs) -> PathBuf {
    let path = args.value(&TERMINATION_LOG, &read_file);
    path.unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
}

fn exit_dir_options(
    args: &ParsedArgs,
    birth_deps: &[Item],
    death_deps: &[Item],
) -> Option<ExitDirOptions> {
    let name = life_name(args, &NAME);
    let publish = if args.has(&EXIT_ONLY) {
        Publish::AtExit
    } else {
        Publish::Always
    };
    let Some(dir) = exit_dir(args) else {
        let birth = birth_deps.iter().any(names_lives).then_some(&BIRTH_DEPS);
        let death = death_deps.iter().any(names_lives).then_some(&DEATH_DEPS);
        let needing = [Some(&NAME), Some(&EXIT_ONLY), birth, death];
        let needing: Vec<&Opt> = needing.into_iter().flatten().collect();
        if let Some(option) = first_given(args, &needing).filter(|_| !args.names_are_off) {
            args.refuse(format!("{option} needs an exit directory: {SET_DIRECTORY}"));
        }
        return None;
    };
    if name.is_none() && publish == Publish::AtExit {
        args.refuse("--exit-only needs --name".to_owned());
    }
    Some(ExitDirOptions { dir, name, publish })
}

/// What a user should know if names are switched off: which options have no effect.
pub(super) fn names_off_notice(args: &ParsedArgs) -> Option<String> {
    if !args.names_are_off {
        return None;
    }
    let lists_lives = |opt: &&&Opt| {
        let items = items(args, opt, State::Died);
        items.iter().any(names_lives)
    };
    let lists = [&BIRTH_DEPS, &DEATH_DEPS];
    let lists = lists.iter().filter(lists_lives).copied();
    let needing: Vec<&Opt> = [&NAME, &EXIT_ONLY].into_iter().chain(lists).collect();
    first_given(args, &needing).map(|option| {
        format!(
            "EXIT_DIR is empty, which switches names off ({option} is given): no tombstone, and no \
             condition on a name"
        )
    })
}

/// The first of these options that was given, as it was spelled.
fn first_given<'a>(args: &'a ParsedArgs, options: &[&Opt]) -> Option<&'a str> {
    options.iter().find_map(|opt| args.spelling(opt))
}

fn command(args: &ParsedArgs) -> Result<CommandLine, String> {
    let words = args.command.as_deref().unwrap_or_default();
    let line = CommandLine::new(words);
    if line.is_none() {
        args.refuse("no CMD to run".to_owned());
    }
    line.ok_or_else(|| args.error().cloned().unwrap_or_default())
}

/// Rejects a life that would wait for itself, and readiness that cannot be recorded.
fn check_dependencies(args: &ParsedArgs, plan: &Plan) {
    let options = plan.exit_dir.as_ref();
    let own = options.and_then(|options| options.name.as_ref());
    let mut items = plan.birth_deps.iter().chain(&plan.death_deps);
    let is_own = |item: &&Item| names(std::slice::from_ref(item)).any(|name| Some(name) == own);
    if let Some(item) = items.find(is_own) {
        args.refuse(format!("{item}: a life cannot depend on itself"));
    }
    if let ReadyOn::Descriptor(number) = plan.ready_on
        && i32::from(number) < 3 + listen_count()
    {
        args.refuse(format!(
            "--ready-on fd:{number}: CMD gets a socket in descriptor {number} (LISTEN_FDS)"
        ));
    }
    if plan.ready_on != ReadyOn::Signal {
        return;
    }
    if own.is_none() {
        args.refuse("--ready-on signal needs --name".to_owned());
    }
    // The signal would create a file in a directory where any file means exit.
    if options.is_some_and(|options| options.publish == Publish::AtExit) {
        args.refuse("--ready-on signal and --exit-only exclude each other".to_owned());
    }
}

fn level(args: &ParsedArgs) -> Level {
    match args.effective(&[&VERBOSE, &QUIET]) {
        Some(opt) if opt.long == VERBOSE.long => Level::Verbose,
        Some(_) => Level::Quiet,
        None => Level::Normal,
    }
}

fn expected_codes(args: &ParsedArgs) -> CodeSet {
    let mut codes = CodeSet::default();
    for (first, last) in args.list(&EXPECT_CODE, &read_codes) {
        codes.add(first, last);
    }
    codes
}
