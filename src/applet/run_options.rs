//! `exitdir-run`: its options as they are typed, and their order in `--help`. What they mean is in `run.rs`.

use super::args::{CommandSpec, DIR, HELP, Opt, POLL, VERSION, flag, valued};

pub(super) const NAME: Opt = valued(
    Some('n'),
    "name",
    "NAME",
    "this life's name; without it there is no tombstone",
)
.with_variable();
pub(super) const EXIT_ONLY: Opt =
    flag(None, "exit-only", "write nothing until death").with_variable();
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
pub(super) const STOP_SIGNAL: Opt = valued(
    None,
    "stop-signal",
    "SIG",
    "what a stop sends first, and for a TERM from outside (default TERM)",
)
.with_variable();
pub(super) const STOP_DELAY: Opt = valued(
    None,
    "stop-delay",
    "DURATION",
    "wait this long before passing on a TERM from outside",
)
.with_variable();
pub(super) const TIMEOUT: Opt = valued(
    None,
    "timeout",
    "DURATION",
    "stop CMD when it has run this long: 124",
)
.with_variable();
pub(super) const PASS_CODE: Opt = flag(
    None,
    "pass-code",
    "after a stop, exit with CMD's own status",
)
.with_variable();
pub(super) const EXPECT_CODE: Opt = valued(
    Some('e'),
    "expect-code",
    "N",
    "CMD's status N counts as 0; repeatable",
)
.with_variable();
pub(super) const GROUP: Opt =
    flag(Some('g'), "group", "signals go to CMD's process group").with_variable();
pub(super) const SUBREAPER: Opt = flag(
    Some('s'),
    "subreaper",
    "adopt and reap orphans also when not PID 1",
)
.with_variable();
pub(super) const PARENT_DEATH_SIGNAL: Opt = valued(
    Some('p'),
    "parent-death-signal",
    "SIG",
    "ask for SIG when our parent dies",
)
.with_variable();
pub(super) const REWRITE: Opt = valued(
    None,
    "rewrite",
    "A:B",
    "pass on signal B for A; B 0 drops it; repeatable",
)
.with_variable();
pub(super) const WAIT_DESCENDANTS: Opt = flag(
    None,
    "wait-descendants",
    "after CMD, stop and wait for all that it left behind; implies -s",
)
.with_variable();
pub(super) const RESTART: Opt = valued(
    None,
    "restart",
    "WHEN",
    "start CMD again: never, on-failure, always (default never)",
)
.with_variable();
pub(super) const RESTART_LIMIT: Opt = valued(
    None,
    "restart-limit",
    "N",
    "after N restarts, die with the last status",
)
.with_variable();
pub(super) const TINI_WARN: Opt = flag(
    Some('w'),
    "",
    "accepted, because tini has it; changes nothing",
);
pub(super) const READY_ON: Opt = valued(
    None,
    "ready-on",
    "SOURCE",
    "start, notify, fd[:N], file:PATH, tcp:, http:, exec:, signal",
)
.with_variable();
/// The heading of the options for an application that follows configuration and activation.
const MANAGED: &str = "Configuration and activation";
pub(super) const CONFIG: Opt = valued(
    None,
    "config",
    "SRC[=DST],...",
    "a file or directory that CMD is configured with; DST is a copy",
)
.with_variable()
.under(MANAGED);
pub(super) const CONFIG_TAR: Opt = valued(
    None,
    "config-tar",
    "SRC=DIR,...",
    "a tar archive that CMD is configured with, unpacked in DIR",
)
.with_variable()
.under(MANAGED);
pub(super) const CONFIG_CHECK: Opt = valued(
    None,
    "config-check",
    "PROG",
    "ask PROG, with the candidate as last argument, before it counts",
)
.with_variable()
.under(MANAGED);
pub(super) const ON_CONFIG: Opt = valued(
    None,
    "on-config",
    "ACTION",
    "after a change: restart CMD (default), or the signal to send it",
)
.with_variable()
.under(MANAGED);
pub(super) const ACTIVE_WHILE: Opt =
    valued(None, "active-while", "FILE", "CMD runs while FILE exists")
        .with_variable()
        .under(MANAGED);
pub(super) const RUN_POLL: Opt = POLL.with_variable();
pub(super) const VERBOSE: Opt = flag(Some('v'), "verbose", "say more").with_variable();
pub(super) const QUIET: Opt = flag(Some('q'), "quiet", "say only errors").with_variable();

pub(super) const SPEC: CommandSpec = CommandSpec {
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
