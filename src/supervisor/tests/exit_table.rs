//! The exit table row by row, and what each option changes in it.

use super::support::{end, ended, expecting, rules, signal, stop_cause};
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::{Dependence, StopCause};
use crate::protocol::tombstone::Reason;
use crate::signal::Signal;
use crate::supervisor::event::Event;
use crate::supervisor::outcome::FinalStatus;
use crate::supervisor::rules::{Restart, Rules, StopCode};
use crate::supervisor::timer::Timer;

fn stopped(rules: &Rules, dependence: Dependence, status: ExitStatus) -> FinalStatus {
    end(
        rules,
        &[
            Event::BirthDepsHold,
            Event::Started,
            Event::DeathDepHolds(stop_cause(dependence)),
            ended(status),
        ],
    )
}

#[test]
fn the_status_after_a_stop_depends_on_the_dependency_and_on_how_the_command_ended() {
    let term = ExitStatus::Signaled(Signal::TERM);
    let kill = ExitStatus::Signaled(Signal::KILL);
    for (status, auxiliary, required) in [
        (ExitStatus::Exited(0), 0, 143),
        (term, 0, 143),
        (ExitStatus::Exited(143), 0, 143),
        (ExitStatus::Exited(1), 1, 1),
        (ExitStatus::Exited(130), 130, 130),
        (ExitStatus::Signaled(Signal::INT), 130, 130),
        (kill, 137, 137),
    ] {
        for dependence in [Dependence::Auxiliary, Dependence::Unnamed] {
            let code = stopped(&rules(), dependence, status).code;
            assert_eq!(code, auxiliary, "{dependence:?}, {status:?}");
        }
        assert_eq!(
            stopped(&rules(), Dependence::Required, status).code,
            required,
            "required, {status:?}"
        );
    }
}

#[test]
fn a_command_obeys_a_stop_if_the_stop_signal_ends_it() {
    let rules = Rules {
        stop_signal: Signal::INT,
        ..rules()
    };
    for (status, auxiliary, required) in [
        (ExitStatus::Exited(0), 0, 130),
        (ExitStatus::Signaled(Signal::INT), 0, 130),
        (ExitStatus::Exited(130), 0, 130),
        (ExitStatus::Signaled(Signal::TERM), 143, 143),
    ] {
        assert_eq!(
            stopped(&rules, Dependence::Auxiliary, status).code,
            auxiliary,
            "auxiliary, {status:?}"
        );
        assert_eq!(
            stopped(&rules, Dependence::Required, status).code,
            required,
            "required, {status:?}"
        );
    }
}

#[test]
fn an_expected_code_counts_as_0_but_not_after_a_stop_for_a_required_dependency() {
    let rules = Rules {
        expected_codes: expecting(&[3, 143]),
        ..rules()
    };
    for (status, by_itself_code, auxiliary, required) in [
        (ExitStatus::Exited(3), 0, 0, 143),
        (ExitStatus::Signaled(Signal::TERM), 0, 0, 143),
        (ExitStatus::Exited(4), 4, 4, 4),
    ] {
        let by_itself = end(
            &rules,
            &[Event::BirthDepsHold, Event::Started, ended(status)],
        );
        assert_eq!(by_itself.code, by_itself_code, "{status:?}");
        assert_eq!(
            stopped(&rules, Dependence::Auxiliary, status).code,
            auxiliary,
            "auxiliary, {status:?}"
        );
        assert_eq!(
            stopped(&rules, Dependence::Required, status).code,
            required,
            "required, {status:?}"
        );
    }
}

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

#[test]
fn a_death_dependency_that_holds_before_the_start_decides_the_status() {
    // Never started, and waiting for a restart.
    for (dependence, code, restarts) in [
        (Dependence::Auxiliary, 0, 0),
        (Dependence::Unnamed, 143, 0),
        (Dependence::Required, 143, 143),
    ] {
        let holds = || Event::DeathDepHolds(stop_cause(dependence));
        let last = end(&rules(), &[holds()]);
        assert_eq!((last.code, last.reason), (code, Reason::Stopped));
        assert_eq!(end(&rules(), &[Event::Deactivated, holds()]).code, code);
        let before = [Event::BirthDepsHold, Event::Started, Event::Reconfigured];
        let obeyed = [ended(ExitStatus::Signaled(Signal::TERM)), holds()];
        let last = end(&rules(), &[&before[..], &obeyed].concat());
        assert_eq!((last.code, last.reason), (restarts, Reason::Stopped));
    }
}

#[test]
fn a_missing_death_dependency_gives_124_in_every_state_unless_an_end_was_decided_before() {
    let rules = Rules {
        names_death_deps: true,
        restart: Restart::Always,
        wait_descendants: true,
        ..rules()
    };
    let missing = Event::Expired(Timer::MissingTimeout);
    let exited =
        |remaining| Event::Ended(ExitStatus::Exited(0), remaining, TerminalPlace::Elsewhere);
    let start = [Event::BirthDepsHold, Event::Started];
    let after_start = |events: &[Event]| [&start[..], events].concat();
    let obeyed = exited(Remaining::Nothing);
    let cases = [
        vec![missing.clone()],
        vec![Event::Deactivated, missing.clone()],
        after_start(&[missing.clone(), obeyed.clone()]),
        after_start(&[Event::Reconfigured, missing.clone(), obeyed.clone()]),
        after_start(&[obeyed.clone(), missing.clone()]),
        after_start(&[Event::Deactivated, obeyed.clone(), missing.clone()]),
        after_start(&[
            exited(Remaining::Descendants),
            missing.clone(),
            Event::NoDescendants,
        ]),
    ];
    for (number, events) in cases.iter().enumerate() {
        let last = end(&rules, events);
        assert_eq!(
            (last.code, last.reason),
            (124, Reason::Missing),
            "{events:?}"
        );
        let passes = Rules {
            stop_code: StopCode::Own,
            ..rules.clone()
        };
        let own = if number < 2 { 124 } else { 0 };
        assert_eq!(end(&passes, events).code, own, "own, {events:?}");
    }
    let decided = after_start(&[
        Event::DeathDepHolds(stop_cause(Dependence::Required)),
        missing,
        obeyed,
    ]);
    let last = end(&rules, &decided);
    assert_eq!((last.code, last.reason), (143, Reason::Stopped));
}

#[test]
fn a_birth_dependency_that_has_failed_ends_a_wait_and_nothing_else() {
    let failed = || Event::BirthDepFailed(stop_cause(Dependence::Required));
    for before in [vec![], vec![Event::Deactivated, failed(), Event::Activated]] {
        let last = end(&rules(), &[before, vec![failed()]].concat());
        assert_eq!((last.code, last.reason), (143, Reason::Stopped));
    }
    let started = [
        Event::BirthDepsHold,
        Event::Started,
        failed(),
        ended(ExitStatus::Exited(3)),
    ];
    let last = end(&rules(), &started);
    assert_eq!((last.code, last.reason), (3, Reason::Exited));
}

#[test]
fn every_other_end_has_its_status_and_reason() {
    let run = |events: &[Event]| {
        let events: Vec<Event> = [Event::BirthDepsHold, Event::Started]
            .iter()
            .chain(events)
            .cloned()
            .collect();
        let last = end(&rules(), &events);
        (last.code, last.reason)
    };
    let usr1 = signal("USR1");
    assert_eq!(run(&[ended(ExitStatus::Exited(7))]), (7, Reason::Exited));
    assert_eq!(
        run(&[ended(ExitStatus::Signaled(Signal::KILL))]),
        (137, Reason::Signaled)
    );
    assert_eq!(
        run(&[
            Event::Signal(Signal::TERM),
            ended(ExitStatus::Signaled(Signal::TERM))
        ]),
        (143, Reason::Exited)
    );
    assert_eq!(
        run(&[Event::Signal(usr1), ended(ExitStatus::Signaled(usr1))]),
        (138, Reason::Exited)
    );
    assert_eq!(
        run(&[
            Event::Expired(Timer::RunTimeout),
            ended(ExitStatus::Exited(0))
        ]),
        (124, Reason::Timeout)
    );
    let killed = [
        Event::DeathDepHolds(stop_cause(Dependence::Auxiliary)),
        Event::Expired(Timer::GracePeriod),
        ended(ExitStatus::Signaled(Signal::KILL)),
    ];
    assert_eq!(run(&killed), (137, Reason::Killed));

    let begin = |events: &[Event]| {
        let last = end(&rules(), events);
        (last.code, last.reason)
    };
    assert_eq!(
        begin(&[Event::Expired(Timer::BirthTimeout)]),
        (124, Reason::BirthTimeout)
    );
    assert_eq!(
        begin(&[Event::Signal(Signal::INT)]),
        (130, Reason::Interrupted)
    );
    for (failure, code) in [
        (StartFailure::NotFound(2), 127),
        (StartFailure::NotExecutable(13), 126),
        (StartFailure::System(11), 125),
        (StartFailure::NoNotifySocket(1), 125),
        (StartFailure::NoReadinessPipe(24), 125),
    ] {
        assert_eq!(
            begin(&[Event::BirthDepsHold, Event::StartFailed(failure)]),
            (code, Reason::ExecFailed)
        );
    }
}
