//! Command lines and variables of every applet: they make a plan, or are refused with one sentence.

use crate::applet::dry_run::DryRun;
use crate::fuzzing::input::Input;
use crate::fuzzing::words::assert_is_one_line;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

const APPLETS: [DryRun; 6] = [
    DryRun::Run,
    DryRun::Wait,
    DryRun::Signal,
    DryRun::Status,
    DryRun::Install,
    DryRun::Kubexit,
];

/// Values that one option or another accepts, and some that none accepts.
const VALUES: [&str; 48] = [
    "",
    "--",
    "-",
    "a",
    "db:ready",
    ":died",
    "a,b:failed, c",
    "a:exit=3",
    "a:b:c",
    "30s",
    "off",
    "1m30s",
    "-1",
    "0",
    "3",
    "256",
    "TERM",
    "RTMIN+3",
    "TERM:USR1",
    "HUP:0",
    "CHLD:1",
    "restart",
    "never",
    "always",
    "on-failure",
    "start",
    "signal",
    "notify",
    "fd:4",
    "file:/x",
    "tcp:80",
    "http:[::1]:80/x",
    "exec:/bin/true -x",
    "/src=/dst",
    "/src",
    "/dst/x=/src/y",
    "..",
    "/",
    "1",
    "true",
    "db:5432",
    "tcp:db:5432",
    "a:ok+b, tcp:80+:failed",
    "http://h/x",
    "unix:/run/x",
    "file:./x",
    "a++b",
    "exec:ok",
];

const VARIABLES: [&str; 16] = [
    "EXIT_DIR",
    "EXITDIR_DIR",
    "EXITDIR_NAME",
    "EXITDIR_SUPERVISED",
    "EXITDIR_BIRTH_DEPS",
    "EXITDIR_DEATH_DEPS",
    "EXITDIR_DEATH_DEP",
    "EXITDIR_PORT",
    "EXITDIR_EXIT_ONLY",
    "EXITDIR_READY_ON",
    "EXITDIR_RESTART",
    "KUBEXIT_NAME",
    "KUBEXIT_GRAVEYARD",
    "KUBEXIT_DEATH_DEPS",
    "KUBEXIT_BIRTH_DEPS",
    "KUBEXIT_NAMES",
];

/// Chooses an applet, its variables and its arguments.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let applet = input.pick(&APPLETS);
    let variables = (0..input.byte() % 4)
        .map(|_| entry(&mut input))
        .collect::<Vec<_>>();
    let options = applet.options();
    let mut arguments = Vec::new();
    while !input.is_empty() && arguments.len() < 64 {
        arguments.push(argument(&mut input, &options));
    }
    if let Some(message) = applet.plan(arguments, &variables) {
        assert_is_one_line(&message);
        let (program, sentence) = message.split_once(": ").unwrap();
        assert!(
            sentence.starts_with(|c: char| !c.is_whitespace()),
            "{message:?}"
        );
        let tail = format!(" (see {program} --help)");
        assert!(
            message.ends_with(&tail) && sentence.len() > tail.len(),
            "{message:?}"
        );
    }
}

fn entry(input: &mut Input<'_>) -> Vec<u8> {
    let name = input.word(&VARIABLES);
    format!("{name}={}", input.word(&VALUES)).into_bytes()
}

fn argument(input: &mut Input<'_>, options: &[String]) -> OsString {
    let known = |at: u8| options[usize::from(at) % options.len()].clone();
    let choice = input.byte();
    match choice {
        0..100 => known(choice).into(),
        100..110 => format!("{}={}", known(input.byte()), input.word(&VALUES)).into(),
        110..116 => format!("{}{}", known(input.byte()), input.word(&VALUES)).into(),
        116..220 => VALUES[usize::from(choice - 116) % VALUES.len()].into(),
        _ => OsString::from_vec(input.bytes().to_vec()),
    }
}
