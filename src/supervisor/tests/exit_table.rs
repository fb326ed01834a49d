//! The exit table row by row, and what each option but `--stop-code` changes in it.

use super::support::{end, ended, expecting, rules, signal, stop_cause};
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::Dependence;
use crate::protocol::tombstone::Reason;
use crate::signal::Signal;
use crate::supervisor::event::Event;
use crate::supervisor::outcome::FinalStatus;
use crate::supervisor::rules::{Restart, Rules, StopCode};
use crate::supervisor::timer::Timer;

pub(super) fn stopped(rules: &Rules, dependence: Dependence, status: ExitStatus) -> FinalStatus {
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
