//! `kubexit`: a drop-in for the program of that name, configured by the environment alone.

use super::args::{CommandSpec, DIR, HELP, Opt, ParsedArgs, VERSION};
use super::run::Bootstrap;
use super::run_options::{self, BIRTH_DEPS, BIRTH_TIMEOUT, DEATH_DEPS, GRACE_PERIOD, NAME};
use super::{print, version};
use crate::log::Logger;
use std::ffi::{OsStr, OsString};

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: "kubexit",
    usage: "CMD [ARG]...",
    about: "Run CMD as exitdir-run does, configured by kubexit's variables.\n\n\
            It needs no API server and no service account.",
    options: &[&HELP, &VERSION],
    notes: "Variables: KUBEXIT_NAME (required), KUBEXIT_GRAVEYARD (default /graveyard),\n\
            KUBEXIT_DEATH_DEPS, KUBEXIT_GRACE_PERIOD (default 30s), KUBEXIT_BIRTH_DEPS,\n\
            KUBEXIT_BIRTH_TIMEOUT (default 30s). KUBEXIT_POD_NAME and KUBEXIT_NAMESPACE are ignored.\n\
            Every EXITDIR_ variable of exitdir-run works too. Set EXITDIR_READY_ON in each container\n\
            that others wait for.\n\n\
            Exit status: 2 if KUBEXIT_NAME is not set; else as exitdir-run's.",
};

const VOICE: Logger = Logger::new(SPEC.name);
/// kubexit's own status for that.
const NO_NAME: u8 = 2;

/// What kubexit's variables are called here. Those of the pod are not needed.
const VARIABLES: [(&str, &Opt); 6] = [
    ("KUBEXIT_NAME", &NAME),
    ("KUBEXIT_GRAVEYARD", &DIR),
    ("KUBEXIT_DEATH_DEPS", &DEATH_DEPS),
    ("KUBEXIT_GRACE_PERIOD", &GRACE_PERIOD),
    ("KUBEXIT_BIRTH_DEPS", &BIRTH_DEPS),
    ("KUBEXIT_BIRTH_TIMEOUT", &BIRTH_TIMEOUT),
];

/// Where kubexit's defaults differ from exitdir-run's.
const DEFAULTS: [(&Opt, &str); 2] = [(&DIR, "/graveyard"), (&BIRTH_TIMEOUT, "30s")];

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let bootstrap = match Bootstrap::new(&VOICE) {
        Ok(bootstrap) => bootstrap,
        Err(status) => return status,
    };
    // Anything more is a command of that name.
    if let [only] = arguments.as_slice() {
        match only.to_str() {
            Some("-h" | "--help") => return print(&VOICE, &SPEC.help()),
            Some("-V" | "--version") => return print(&VOICE, &version(SPEC.name)),
            Some(_) | None => {}
        }
    }
    let mut typed = ParsedArgs::command(arguments);
    for (variable, opt) in VARIABLES {
        let value = std::env::var_os(variable).map(|value| tidied(opt, value, &typed));
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            typed.set_default(opt, value, variable);
        }
    }
    typed.add_variables(run_options::SPEC.options);
    for (opt, value) in DEFAULTS {
        typed.set_default(opt, value.into(), opt.long);
    }
    if !typed.has(&NAME) {
        VOICE.error("KUBEXIT_NAME is not set (see kubexit --help)");
        return NO_NAME;
    }
    bootstrap.supervise(&typed, &SPEC)
}

/// A list as kubexit understands it: it does not mind empty places in it, nor one's own name among the deaths, as
/// when all containers of a pod share one list; a space hides a name from it, which nobody means.
fn tidied(opt: &Opt, value: OsString, typed: &ParsedArgs) -> OsString {
    let own = typed.raw(&NAME).and_then(OsStr::to_str);
    match value.to_str() {
        Some(list) if [BIRTH_DEPS.long, DEATH_DEPS.long].contains(&opt.long) => {
            let names = list.split(',').map(str::trim);
            let others = names.filter(|name| opt.long == BIRTH_DEPS.long || Some(*name) != own);
            let kept: Vec<&str> = others.filter(|name| !name.is_empty()).collect();
            kept.join(",").into()
        }
        _ => value,
    }
}
