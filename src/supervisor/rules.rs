//! What the options say about a life, as far as it is decided here. Pure.

use crate::duration::Limit;
use crate::exit::{self, ExitStatus};
use crate::signal::{Signal, SignalSet};
use std::time::Duration;

/// The options that the machine needs.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) birth_timeout: Limit,
    pub(crate) run_timeout: Limit,
    pub(crate) grace_period: Limit,
    /// How long a TERM from outside is held back.
    pub(crate) stop_delay: Limit,
    pub(crate) stop_signal: Signal,
    pub(crate) forwarding: Forwarding,
    pub(crate) pass_code: bool,
    /// Final statuses that count as 0.
    pub(crate) expected: Vec<u8>,
    /// The command is ready as soon as it was executed.
    pub(crate) ready_on_start: bool,
    /// What we were started with ignored neither ends a wait nor counts as a stop.
    pub(crate) ignored: SignalSet,
    pub(crate) restart: Restart,
    /// After this many restarts there is no other; `None` for no limit.
    pub(crate) restart_limit: Option<u32>,
    /// What the command leaves behind is stopped and waited for.
    pub(crate) wait_descendants: bool,
    pub(crate) on_config: OnConfig,
}

/// `--on-config`: what is done when a new configuration was put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConfig {
    /// The command is stopped and started again.
    Restart,
    /// It gets this signal.
    Send(Signal),
}

/// `--restart`: when a command that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Never,
    /// After a final status other than 0.
    OnFailure,
    Always,
}

/// What the command gets for each signal from outside.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    /// By number; 0 is nothing.
    sent: [u8; 65],
    /// What is to be passed on and nothing more, as another signal or itself.
    plain: SignalSet,
}

/// What is more than a signal to pass on, as it arrives or as it is sent.
const SPECIAL: [Signal; 5] = [
    Signal::TERM,
    Signal::INT,
    Signal::QUIT,
    Signal::CONT,
    Signal::CHLD,
];

impl Forwarding {
    /// A TERM is passed on as the stop signal. `--rewrite` says more: what the command gets instead of a
    /// signal, `None` for nothing; the last word on a signal counts.
    pub(crate) fn new(stop_signal: Signal, rewrites: &[(Signal, Option<Signal>)]) -> Forwarding {
        let mut sent = [0; 65];
        let mut set = |from: Signal, to: Option<Signal>| {
            if let Some(place) = sent.get_mut(usize::from(from.number())) {
                *place = to.map_or(0, Signal::number);
            }
        };
        (1..=64)
            .filter_map(Signal::from_number)
            .for_each(|signal| set(signal, Some(signal)));
        set(Signal::TERM, Some(stop_signal));
        rewrites.iter().for_each(|(from, to)| set(*from, *to));
        let mut forwarding = Forwarding {
            sent,
            plain: SignalSet::default(),
        };
        let special = |signal: &Signal| SPECIAL.contains(signal) || *signal == stop_signal;
        forwarding.plain = (1..=64)
            .filter_map(Signal::from_number)
            .filter(|signal| !SPECIAL.contains(signal))
            .filter(|signal| forwarding.of(*signal).is_some_and(|sent| !special(&sent)))
            .fold(SignalSet::default(), SignalSet::with);
        forwarding
    }

    /// What the command gets for the signal; `None` for nothing.
    pub(super) fn of(&self, signal: Signal) -> Option<Signal> {
        let sent = self.sent.get(usize::from(signal.number()))?;
        Signal::from_number(i32::from(*sent))
    }

    /// The same, if nothing more is to be done about it.
    pub(super) fn plainly(&self, signal: Signal) -> Option<Signal> {
        if self.plain.contains(signal) {
            self.of(signal)
        } else {
            None
        }
    }
}

impl Rules {
    /// Whether the signal ends us while no command runs.
    pub(crate) fn ends_wait(&self, signal: Signal) -> bool {
        let ending = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
        ending.contains(&signal) && !self.ignored.contains(signal)
    }

    /// Whether somebody outside wants the command to stop, for good.
    pub(super) fn is_stop(&self, signal: Signal) -> bool {
        let stops = [Signal::TERM, Signal::INT, Signal::QUIT];
        stops.contains(&signal) && !self.ignored.contains(signal)
    }

    /// Whether a TERM from outside is held back for a while.
    pub(super) fn delays(&self, term: Signal) -> bool {
        self.is_stop(term) && self.stop_delay != Limit::After(Duration::ZERO)
    }

    /// Whether a command that has ended with this status, as it counts, is to be started again.
    pub(super) fn restarts_after(&self, status: u8) -> bool {
        match self.restart {
            Restart::Never => false,
            Restart::OnFailure => status != exit::SUCCESS,
            Restart::Always => true,
        }
    }

    /// The command's status as it counts, with `--expect-code` applied.
    pub(super) fn own_status(&self, ending: ExitStatus) -> u8 {
        let status = ending.status();
        if self.expected.contains(&status) {
            exit::SUCCESS
        } else {
            status
        }
    }

    /// What tells an orchestrator that the work was not done.
    pub(super) fn stop_status(&self) -> u8 {
        self.stop_signal.exit_status()
    }
}

/// What is left of `--restart-limit`, and how long the next restart is to be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Retries {
    left: Option<u32>,
    delay: Duration,
}

/// Before the first restart; doubled for each one after it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A command that has run for this long is restarted after [`FIRST_DELAY`] again.
pub(super) const STEADY: Limit = Limit::After(Duration::from_secs(10));

impl Retries {
    pub(super) fn new(limit: Option<u32>) -> Retries {
        Retries {
            left: limit,
            delay: FIRST_DELAY,
        }
    }

    /// Uses up one restart, and says how long to wait for it; `None` if none is left.
    pub(super) fn take(&mut self) -> Option<Limit> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(LONGEST_DELAY);
        Some(Limit::After(delay))
    }

    /// The command runs steadily.
    pub(super) fn forgive(&mut self) {
        self.delay = FIRST_DELAY;
    }
}
