//! `kubexit`: a drop-in replacement for the program of that name, configured only by the
//! environment.

use super::args::ParsedArgs;
use super::entry::print;
use super::run::Bootstrap;
use super::run_options::{self, BIRTH_DEPS, BIRTH_TIMEOUT, DEATH_DEPS, GRACE_PERIOD, NAME};
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION};
use super::variables::{KUBEXIT_NAME_VARIABLE, KUBEXIT_PREFIX, PREFIX, READ_BY_OTHERS, Variables};
use crate::log::Logger;
use crate::protocol::item::Item;
use crate::protocol::program;
use crate::protocol::state::State;
use std::ffi::{OsStr, OsString};

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::KUBEXIT,
    usage: "CMD [ARG]...",
    about: "Run CMD as exitdir-run does, configured by kubexit's variables.\n\n\
            It needs no API server and no service account.",
    options: &[&HELP, &VERSION],
    positionals: Positionals::Command,
    notes: "Variables: KUBEXIT_NAME (required), KUBEXIT_GRAVEYARD (default /graveyard),\n\
            KUBEXIT_DEATH_DEPS, KUBEXIT_GRACE_PERIOD (default 30s), KUBEXIT_BIRTH_DEPS,\n\
            KUBEXIT_BIRTH_TIMEOUT (default 30s).\n\
            KUBEXIT_POD_NAME, KUBEXIT_NAMESPACE, KUBEXIT_LOG_LEVEL, KUBEXIT_VERBOSE_LEVEL\n\
            and KUBEXIT_INSTANT_LOGGING are ignored.\n\
            Every EXITDIR_ variable of exitdir-run works too. Set EXITDIR_READY_ON in each\n\
            container that others wait for.\n\n\
            Exit status: 2 if KUBEXIT_NAME is not set; else as exitdir-run's.",
    examples: [
        "  # A job that starts when its proxy is ready:\n  \
         KUBEXIT_NAME=main KUBEXIT_BIRTH_DEPS=proxy kubexit ./job",
        "  # The proxy, which ends with the job:\n  \
         KUBEXIT_NAME=proxy KUBEXIT_DEATH_DEPS=main kubexit ./proxy",
    ],
};

/// kubexit's own exit status for a missing `KUBEXIT_NAME`.
const NO_NAME: u8 = 2;

/// kubexit's variables and the options that they set.
const VARIABLES: [(&str, &Opt); 6] = [
    (KUBEXIT_NAME_VARIABLE, &NAME),
    ("KUBEXIT_GRAVEYARD", &DIR),
    ("KUBEXIT_DEATH_DEPS", &DEATH_DEPS),
    ("KUBEXIT_GRACE_PERIOD", &GRACE_PERIOD),
    ("KUBEXIT_BIRTH_DEPS", &BIRTH_DEPS),
    ("KUBEXIT_BIRTH_TIMEOUT", &BIRTH_TIMEOUT),
];

/// The variables that kubexit and its forks read beside those, and that are not needed.
const WITHOUT_EFFECT: [&str; 5] = [
    "KUBEXIT_POD_NAME",
    "KUBEXIT_NAMESPACE",
    "KUBEXIT_LOG_LEVEL",
    "KUBEXIT_VERBOSE_LEVEL",
    "KUBEXIT_INSTANT_LOGGING",
];

/// Where kubexit's defaults differ from exitdir-run's.
const DEFAULTS: [(&Opt, &str); 2] = [(&DIR, "/graveyard"), (&BIRTH_TIMEOUT, "30s")];

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let bootstrap = match Bootstrap::new(&SPEC) {
        Ok(bootstrap) => bootstrap,
        Err(status) => return status,
    };
    if let Some(text) = help_or_version(&arguments) {
        return print(SPEC.name, &text);
    }
    let all = Variables::read();
    let has_name = all.has_name();
    let variables = all.without_supervisor();
    let is_below_another = has_name && !variables.has_name();
    let args = args(arguments, &variables);
    // A typing error in a variable is the better answer: the name may be in it.
    if !args.has(&NAME) && !is_below_another && args.error().is_none() {
        let sentence = SPEC.usage_error("KUBEXIT_NAME is not set");
        Logger::new(SPEC.name).error(sentence);
        return NO_NAME;
    }
    bootstrap.supervise(&args)
}

/// The text that was asked for by the only argument. With more arguments, the first one is a
/// command, whatever its name.
fn help_or_version(arguments: &[OsString]) -> Option<String> {
    let [only] = arguments else {
        return None;
    };
    match only.to_str() {
        Some("-h" | "--help") => Some(SPEC.help()),
        Some("-V" | "--version") => Some(SPEC.version()),
        Some(_) | None => None,
    }
}

/// The options of exitdir-run that the environment sets: kubexit's variables win.
pub(super) fn args(command: Vec<OsString>, variables: &Variables<'_>) -> ParsedArgs {
    let mut args = ParsedArgs::command(command);
    for (name, opt) in VARIABLES {
        let variable = variables.find(|other| other == name);
        let value = variable.map(|(_, value)| without_extras(opt, value, &args));
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            args.notices.extend(notices(opt, name, &value));
            args.set_for_kubexit(opt, value, name);
        }
    }
    args.add_variables(&run_options::SPEC, variables);
    for (opt, value) in DEFAULTS {
        args.set_for_kubexit(opt, value.into(), opt.long);
    }
    check_variables(&mut args, variables);
    args
}

/// What looks like a condition is a name in kubexit's lists.
fn notices(opt: &Opt, variable: &str, value: &OsStr) -> Vec<String> {
    if ![BIRTH_DEPS.long, DEATH_DEPS.long].contains(&opt.long) {
        return Vec::new();
    }
    let is_like_condition =
        |text: &&str| text.contains([':', '+']) && Item::parse(text, State::Died).is_ok();
    let texts = value.to_str().unwrap_or_default().split(',');
    let notice = |text| {
        let other = variable.replacen(KUBEXIT_PREFIX, PREFIX, 1);
        format!("{text:?} is a name in {variable}: write conditions into {other}")
    };
    texts.filter(is_like_condition).map(notice).collect()
}

fn check_variables(args: &mut ParsedArgs, variables: &Variables<'_>) {
    let options = run_options::SPEC.options;
    args.check_variables(variables, PREFIX, options, &READ_BY_OTHERS);
    let own = VARIABLES.map(|(name, _)| name);
    let known: Vec<&str> = own.into_iter().chain(WITHOUT_EFFECT).collect();
    args.check_variables(variables, KUBEXIT_PREFIX, &[], &known);
}

/// A list of dependencies without what kubexit ignores in it: empty items, and the container's own
/// name among its death dependencies, as when all containers of a pod share one list. Blanks around
/// any name are dropped too: kubexit would take them for a part of the name.
fn without_extras(opt: &Opt, value: &OsStr, args: &ParsedArgs) -> OsString {
    let own = args.os_value(&NAME).and_then(OsStr::to_str);
    match value.to_str() {
        Some(list) if [BIRTH_DEPS.long, DEATH_DEPS.long].contains(&opt.long) => {
            let names = list.split(',').map(str::trim);
            let others = names.filter(|name| opt.long == BIRTH_DEPS.long || Some(*name) != own);
            let kept: Vec<&str> = others.filter(|name| !name.is_empty()).collect();
            kept.join(",").into()
        }
        Some(name) if opt.long == NAME.long => name.trim().into(),
        _ => value.to_owned(),
    }
}
