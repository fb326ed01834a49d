//! What `--stop-code` changes in the exit table.

use super::exit_table::stopped;
use super::support::{end, ended, expecting, rules, stop_cause};
use crate::exit::ExitStatus;
use crate::protocol::death_deps::{Dependence, StopCause};
use crate::signal::Signal;
use crate::supervisor::event::Event;
use crate::supervisor::rules::{Restart, Rules, StopCode};
use crate::supervisor::timer::Timer;

#[test]
fn with_stop_code_own_the_status_after_every_stop_is_the_commands_own() {
    let rules = Rules {
        stop_code: StopCode::Own,
        ..rules()
    };
    for (status, own) in [
        (ExitStatus::Exited(0), 0),
        (ExitStatus::Exited(9), 9),
        (ExitStatus::Signaled(Signal::TERM), 143),
    ] {
        for dependence in [
            Dependence::Auxiliary,
            Dependence::Unnamed,
            Dependence::Required,
        ] {
            assert_eq!(stopped(&rules, dependence, status).code, own);
        }
        let timeout = [
            Event::BirthDepsHold,
            Event::Started,
            Event::Expired(Timer::RunTimeout),
            ended(status),
        ];
        assert_eq!(end(&rules, &timeout).code, own);
    }
}

/// Whether this life needs the dependency, and with which status the dependency died.
type End = (Dependence, Option<u8>);

/// What CMD did when the dependency stopped this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cmd {
    /// It ran, and the stop ends it with this status.
    Ran(u8),
    /// It ended with this status and was to be started again.
    Down(u8),
    NeverStarted,
}

impl Cmd {
    fn events(self, cause: StopCause) -> Vec<Event> {
        let holds = Event::DeathDepHolds(cause);
        let mut events = vec![Event::BirthDepsHold, Event::Started];
        match self {
            Cmd::Ran(status) => events.extend([holds, ended(ExitStatus::Exited(status))]),
            Cmd::Down(status) => events.extend([ended(ExitStatus::Exited(status)), holds]),
            Cmd::NeverStarted => return vec![holds],
        }
        events
    }
}

#[test]
fn the_stop_code_chooses_the_status_after_a_stop_for_a_dependency() {
    // How the dependency ended, and whether this life needs it.
    let failed = (Dependence::Required, Some(3));
    let lost = (Dependence::Required, Some(137));
    let needed = (Dependence::Required, Some(0));
    let source = (Dependence::Required, None);
    let clean = (Dependence::Auxiliary, Some(0));
    let lives = (Dependence::Auxiliary, None);
    let unnamed = (Dependence::Unnamed, Some(0));
    // The status without --stop-code, and with own, cause and 42.
    let table: &[(Cmd, &[End], [u8; 4])] = &[
        (Cmd::Ran(0), &[failed], [143, 0, 3, 42]),
        (Cmd::Ran(0), &[lost], [143, 0, 137, 42]),
        (Cmd::Ran(0), &[needed, source], [143, 0, 143, 42]),
        (Cmd::Ran(0), &[clean, lives, unnamed], [0, 0, 0, 0]),
        (Cmd::Ran(143), &[failed], [143, 143, 3, 42]),
        (Cmd::Ran(143), &[clean, lives, unnamed], [0, 143, 0, 0]),
        (Cmd::Ran(9), &[failed], [9, 9, 3, 42]),
        (Cmd::Ran(9), &[lost], [9, 9, 137, 42]),
        (
            Cmd::Ran(9),
            &[needed, source, clean, lives, unnamed],
            [9, 9, 9, 42],
        ),
        (Cmd::Down(9), &[failed], [143, 9, 3, 42]),
        (Cmd::Down(9), &[lost], [143, 9, 137, 42]),
        (Cmd::Down(9), &[needed, source], [143, 9, 143, 42]),
        (Cmd::Down(9), &[clean, lives, unnamed], [0, 9, 0, 0]),
        (Cmd::NeverStarted, &[failed], [143, 143, 3, 42]),
        (Cmd::NeverStarted, &[lost], [143, 143, 137, 42]),
        (
            Cmd::NeverStarted,
            &[needed, source, unnamed],
            [143, 143, 143, 42],
        ),
        (Cmd::NeverStarted, &[clean, lives], [0, 0, 0, 0]),
    ];
    let stop_codes = [
        StopCode::Table,
        StopCode::Own,
        StopCode::Cause,
        StopCode::Number(42),
    ];
    for (cmd, causes, expected) in table {
        for (dependence, code) in *causes {
            let codes = stop_codes.map(|stop_code| {
                let rules = Rules {
                    stop_code,
                    restart: Restart::Always,
                    ..rules()
                };
                let cause = StopCause {
                    code: *code,
                    ..stop_cause(*dependence)
                };
                end(&rules, &cmd.events(cause)).code
            });
            assert_eq!(codes, *expected, "{cmd:?}, {dependence:?} {code:?}");
        }
    }
}

#[test]
fn an_expected_code_is_one_of_cmd_and_not_of_its_cause() {
    let with = |stop_code| Rules {
        stop_code,
        expected_codes: expecting(&[4, 9, 42]),
        ..rules()
    };
    for (stop_code, code) in [
        (StopCode::Table, 143),
        (StopCode::Own, 0),
        (StopCode::Cause, 4),
        (StopCode::Number(42), 42),
    ] {
        let last = stopped(
            &with(stop_code),
            Dependence::Required,
            ExitStatus::Exited(9),
        );
        assert_eq!(last.code, code, "{stop_code:?}");
    }
}

#[test]
fn of_the_stop_codes_only_own_wins_over_the_124_of_a_timeout() {
    for (stop_code, code) in [
        (StopCode::Table, 124),
        (StopCode::Own, 9),
        (StopCode::Cause, 124),
        (StopCode::Number(42), 124),
    ] {
        for timer in [Timer::RunTimeout, Timer::MissingTimeout] {
            let rules = Rules {
                stop_code,
                ..rules()
            };
            let events = [
                Event::BirthDepsHold,
                Event::Started,
                Event::Expired(timer),
                ended(ExitStatus::Exited(9)),
            ];
            assert_eq!(end(&rules, &events).code, code, "{stop_code:?} {timer:?}");
        }
    }
}
