//! What the searches try: every kind of event, under options that differ in what the machine looks
//! at.

use super::support::{rules, signal, stop_cause};
use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::Dependence;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::event::Event;
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::rules::{OnConfig, Restart, Rules, StopCode};
use crate::supervisor::timer::Timer;
use std::time::Duration;

const TIMERS: [Timer; 12] = [
    Timer::BirthTimeout,
    Timer::WaitNotice,
    Timer::UnseenNotice,
    Timer::MissingTimeout,
    Timer::RunTimeout,
    Timer::SteadyRun,
    Timer::StopDelay,
    Timer::PreStop,
    Timer::GracePeriod,
    Timer::OrphanScan,
    Timer::KillWait,
    Timer::Backoff,
];

/// One event of each kind that the machine tells apart.
pub(super) fn alphabet() -> Vec<Event> {
    let mut events = vec![
        Event::BirthDepsHold,
        Event::StartAnyway,
        Event::BirthDepFailed(stop_cause(Dependence::Required)),
        Event::DeathDepHolds(stop_cause(Dependence::Auxiliary)),
        Event::DeathDepHolds(stop_cause(Dependence::Unnamed)),
        Event::DeathDepHolds(stop_cause(Dependence::Required)),
        Event::DeathDepsSeen,
    ];
    let signals = ["TERM", "INT", "HUP", "TSTP", "CONT", "USR1"];
    events.extend(signals.map(|name| Event::Signal(signal(name))));
    events.extend([
        Event::Started,
        Event::StartFailed(StartFailure::NotFound(2)),
        Event::Ready,
        Event::Paused(Signal::TSTP),
        Event::Paused(Signal::TTIN),
        Event::PreStopOver,
        Event::NoDescendants,
        Event::Activated,
        Event::Deactivated,
        Event::Reconfigured,
    ]);
    let statuses = [
        ExitStatus::Exited(0),
        ExitStatus::Exited(1),
        ExitStatus::Signaled(Signal::TERM),
        ExitStatus::Signaled(Signal::KILL),
    ];
    for remaining in [Remaining::Nothing, Remaining::Descendants] {
        let ended = |status| Event::Ended(status, remaining, TerminalPlace::Elsewhere);
        events.extend(statuses.map(ended));
    }
    events.push(Event::Ended(
        ExitStatus::Signaled(Signal::INT),
        Remaining::Nothing,
        TerminalPlace::Foreground,
    ));
    events.extend(TIMERS.map(Event::Expired));
    events
}

/// Whether the command is a managed application, which can be activated, deactivated and
/// reconfigured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Management {
    Managed,
    Unmanaged,
}

/// A name for the output, the options, and whether the command is managed.
pub(super) type Scenario = (&'static str, Rules, Management);

/// Scenarios whose options differ in what the machine looks at.
pub(super) fn scenarios() -> Vec<Scenario> {
    let term_as_usr1 = Forwarding::new(Signal::TERM, &[(Signal::TERM, Some(signal("USR1")))]);
    let term_dropped = Forwarding::new(Signal::TERM, &[(Signal::TERM, None)]);
    let delayed = Limit::After(Duration::from_secs(5));
    vec![
        ("default options, managed", rules(), Management::Managed),
        (
            "named death dependencies, managed, descendants",
            Rules {
                names_death_deps: true,
                run_timeout: Limit::Never,
                wait_descendants: true,
                ..rules()
            },
            Management::Managed,
        ),
        (
            "always restarted, delayed, descendants",
            Rules {
                restart: Restart::Always,
                restart_limit: Some(2),
                wait_descendants: true,
                stop_delay: delayed,
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "always restarted, delayed, all signals ignored at the start",
            Rules {
                restart: Restart::Always,
                restart_limit: Some(1),
                stop_delay: delayed,
                ignored_signals: SignalSet::ALL,
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "named death dependencies, stop signal INT, delayed",
            Rules {
                names_death_deps: true,
                stop_delay: delayed,
                stop_signal: Signal::INT,
                forwarding: Forwarding::new(Signal::INT, &[]),
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "restarted on failure, delayed, TERM forwarded as USR1",
            Rules {
                restart: Restart::OnFailure,
                forwarding: term_as_usr1,
                stop_delay: delayed,
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "always restarted, TERM dropped",
            Rules {
                restart: Restart::Always,
                forwarding: term_dropped,
                ready_on_start: false,
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "the command's own status, descendants, all signals ignored at the start",
            Rules {
                stop_code: StopCode::Own,
                restart: Restart::OnFailure,
                restart_limit: Some(1),
                wait_descendants: true,
                ignored_signals: SignalSet::ALL,
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "managed, HUP for a new configuration, delayed, descendants",
            Rules {
                on_config: OnConfig::Send(Signal::HUP),
                stop_delay: delayed,
                wait_descendants: true,
                ..rules()
            },
            Management::Managed,
        ),
        (
            "pre-stop, descendants",
            Rules {
                pre_stop: true,
                wait_descendants: true,
                ..rules()
            },
            Management::Unmanaged,
        ),
        (
            "pre-stop, delayed, TERM forwarded as USR1, actions for a new configuration",
            Rules {
                pre_stop: true,
                stop_delay: delayed,
                forwarding: Forwarding::new(Signal::TERM, &[(Signal::TERM, Some(signal("USR1")))]),
                on_config: OnConfig::Run,
                ..rules()
            },
            Management::Managed,
        ),
        (
            "pre-stop, INT as the stop signal, nothing for a new configuration",
            Rules {
                pre_stop: true,
                stop_signal: Signal::INT,
                forwarding: Forwarding::new(Signal::INT, &[]),
                on_config: OnConfig::Ignore,
                ..rules()
            },
            Management::Managed,
        ),
        (
            "managed, restarted once after a failure, descendants",
            Rules {
                restart: Restart::OnFailure,
                restart_limit: Some(1),
                wait_descendants: true,
                ..rules()
            },
            Management::Managed,
        ),
    ]
}
