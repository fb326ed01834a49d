//! `exitdir-run`: its options as they are typed, in the order of `--help`.

use super::spec::{CommandSpec, DIR, HELP, Opt, POLL, Positionals, QUIET, VERSION, flag, valued};
use crate::protocol::program;

pub(super) const NAME: Opt = valued(
    Some('n'),
    "name",
    "NAME",
    "name of the tombstone; without it none is written",
)
.with_variable();
pub(super) const EXIT_ONLY: Opt =
    flag(None, "exit-only", "publish the tombstone only at death").with_variable();
pub(super) const BIRTH_DEPS: Opt = valued(
    None,
    "birth-deps",
    "COND,...",
    "start CMD when all of these hold; NAME means NAME:ready",
)
.with_variable();
pub(super) const BIRTH_TIMEOUT: Opt = valued(
    None,
    "birth-timeout",
    "DURATION",
    "give up after this long, with status 124 (default 5m)",
)
.with_variable();
pub(super) const FAIL_FAST: Opt = flag(
    None,
    "fail-fast",
    "give up at once when a birth dependency has died and cannot hold",
)
.with_variable();
pub(super) const START_ANYWAY: Opt = flag(
    None,
    "start-anyway",
    "start CMD when the birth timeout is over",
)
.with_variable();
pub(super) const DEATH_DEPS: Opt = valued(
    None,
    "death-deps",
    "COND,...",
    "stop CMD when any of these holds; NAME means NAME:died",
)
.with_variable();
pub(super) const MISSING_TIMEOUT: Opt = valued(
    None,
    "missing-timeout",
    "DURATION",
    "give up on unseen death dependencies, with status 124 (default off)",
)
.with_variable();
pub(super) const GRACE_PERIOD: Opt = valued(
    None,
    "grace-period",
    "DURATION",
    "send KILL this long after the stop signal (default 30s)",
)
.with_variable()
.under("Stopping");
pub(super) const STOP_SIGNAL: Opt = valued(
    None,
    "stop-signal",
    "SIG",
    "signal that stops CMD; also sent for a received TERM (default TERM)",
)
.with_variable();
pub(super) const STOP_DELAY: Opt = valued(
    None,
    "stop-delay",
    "DURATION",
    "forward a received TERM only after this long (default 0)",
)
.with_variable();
pub(super) const PRE_STOP: Opt = valued(
    None,
    "pre-stop",
    "ACTION,...",
    "do this before CMD gets the stop signal",
)
.with_variable();
pub(super) const TIMEOUT: Opt = valued(
    None,
    "timeout",
    "DURATION",
    "stop CMD when it has run this long, with status 124 (default off)",
)
.with_variable();
pub(super) const STOP_CODE: Opt = valued(
    None,
    "stop-code",
    "CODE",
    "status after a stop for a dependency: own, cause or a number (default: CMD's own, with exceptions)",
)
.with_variable();
pub(super) const EXPECT_CODE: Opt = valued(
    Some('e'),
    "expect-code",
    "N",
    "treat CMD's exit statuses N (3, 10-12 or any) as 0; repeatable",
)
.with_variable();
pub(super) const ON_EXIT: Opt = valued(
    None,
    "on-exit",
    "ACTION,...",
    "do this after the death of CMD was recorded",
)
.with_variable();
pub(super) const GROUP: Opt = flag(Some('g'), "group", "send signals to CMD's process group")
    .with_variable()
    .under("Signals and processes");
pub(super) const SUBREAPER: Opt = flag(
    Some('s'),
    "subreaper",
    "adopt and reap orphans even when not PID 1",
)
.with_variable();
pub(super) const PARENT_DEATH_SIGNAL: Opt = valued(
    Some('p'),
    "parent-death-signal",
    "SIG",
    "receive SIG when the parent process dies",
)
.with_variable();
pub(super) const REWRITE: Opt = valued(
    None,
    "rewrite",
    "A:B",
    "forward signal B in place of A; with B 0, drop A; repeatable",
)
.with_variable();
pub(super) const WAIT_DESCENDANTS: Opt = flag(
    None,
    "wait-descendants",
    "after CMD ends, stop the processes it left and wait; implies -s",
)
.with_variable();
pub(super) const RESTART: Opt = valued(
    None,
    "restart",
    "WHEN",
    "start CMD again: never (default), on-failure or always",
)
.with_variable();
pub(super) const RESTART_LIMIT: Opt = valued(
    None,
    "restart-limit",
    "N",
    "after N restarts, exit with the last status (default: no limit)",
)
.with_variable();
/// Accepted for compatibility with tini, without an effect.
pub(super) const TINI_WARN: Opt = flag(Some('w'), "", "");
pub(super) const READY_ON: Opt = valued(
    None,
    "ready-on",
    "SOURCE",
    "source of readiness (default start)",
)
.with_variable()
.under("Starting");
/// The exit directory, at the head of the options.
const RUN_DIR: Opt = DIR.under("Names and dependencies");
/// The heading of the options for an application that follows configuration and activation.
const MANAGED: &str = if cfg!(feature = "managed") {
    "Configuration and activation"
} else {
    "Configuration and activation (not in this build)"
};
pub(super) const CONFIG: Opt = valued(
    None,
    "config",
    "SRC[=DST],...",
    "file or directory that configures CMD; DST is a copy of it",
)
.with_variable()
.under(MANAGED);
pub(super) const CONFIG_TAR: Opt = valued(
    None,
    "config-tar",
    "SRC=DIR,...",
    "tar archive that configures CMD, unpacked in DIR",
)
.with_variable();
pub(super) const CONFIG_CHECK: Opt = valued(
    None,
    "config-check",
    "PROG",
    "run PROG CANDIDATE before applying a change; non-zero rejects it (75: not now)",
)
.with_variable();
pub(super) const ON_CONFIG: Opt = valued(
    None,
    "on-config",
    "WHAT",
    "after a change: restart (default), a signal for CMD, none, or ACTION,...",
)
.with_variable();
pub(super) const ACTIVE_WHILE: Opt = valued(
    None,
    "active-while",
    "FILE",
    "run CMD only while FILE exists",
)
.with_variable();
pub(super) const RUN_POLL: Opt = POLL.with_variable().under("Messages and others");
pub(super) const VERBOSE: Opt = flag(Some('v'), "verbose", "print more messages").with_variable();
pub(super) const TERMINATION_LOG: Opt = valued(
    None,
    "termination-log",
    "PATH",
    "write why CMD was stopped to PATH (default /dev/termination-log)",
)
.with_variable();

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::RUN,
    usage: "[OPTION]... [--] CMD [ARG]...",
    about: "Run CMD and record its state as NAME in the exit directory.\nWorks as PID 1.",
    options: &[
        &RUN_DIR,
        &NAME,
        &EXIT_ONLY,
        &BIRTH_DEPS,
        &BIRTH_TIMEOUT,
        &FAIL_FAST,
        &START_ANYWAY,
        &DEATH_DEPS,
        &MISSING_TIMEOUT,
        &READY_ON,
        &RESTART,
        &RESTART_LIMIT,
        &GRACE_PERIOD,
        &STOP_SIGNAL,
        &STOP_DELAY,
        &PRE_STOP,
        &TIMEOUT,
        &STOP_CODE,
        &EXPECT_CODE,
        &ON_EXIT,
        &GROUP,
        &SUBREAPER,
        &PARENT_DEATH_SIGNAL,
        &REWRITE,
        &WAIT_DESCENDANTS,
        &CONFIG,
        &CONFIG_TAR,
        &CONFIG_CHECK,
        &ON_CONFIG,
        &ACTIVE_WHILE,
        &RUN_POLL,
        &VERBOSE,
        &QUIET,
        &TERMINATION_LOG,
        &TINI_WARN,
        &HELP,
        &VERSION,
    ],
    positionals: Positionals::Command,
    notes: "A SOURCE is start, notify[:all], fd[:N], file:PATH, unix:PATH, tcp:[HOST:]PORT,\n\
            http:[HOST:]PORT/PATH, http://HOST[:PORT]/PATH, exec:PROG [ARG]... or signal.\n\
            A COND is NAME[:STATE], a source or COND+COND; see exitdir-wait --help.\n\
            An ACTION is exec:PROG [ARG]..., post:[HOST:]PORT/PATH or sleep:DURATION.\n\
            A DURATION is 30 (seconds), 0.5, 2m, 1m30s, 500ms or off.\n\n\
            Options can also be given as variables: EXITDIR_ and the name in capitals, as\n\
            in EXITDIR_DEATH_DEPS; for --dir it is EXIT_DIR. CMD gets EXIT_DIR, EXITDIR_NAME\n\
            and EXITDIR_SUPERVISED, which is the name too, and no other of them.\n\n\
            Exit status: CMD's own; 128+n if signal n ended it; 124 timeout; 125 own failure\n\
            or wrong usage; 126 CMD cannot be executed; 127 CMD was not found. After a stop\n\
            for a death dependency: 0 if the dependency died with 0 and CMD stopped as\n\
            asked; never 0 if the dependency failed.",
    examples: [
        "  # A job that starts when its proxy is ready:\n  \
         exitdir-run --name main --birth-deps proxy -- ./job --all",
        "  # The proxy, which is ready when it answers, and ends with the job:\n  \
         exitdir-run --name proxy --ready-on tcp:8080 --death-deps main -- ./proxy",
    ],
};
