//! Which signal the command gets for each signal from outside. Pure.

use crate::signal::{Signal, SignalSet};

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
            .filter(|signal| {
                forwarding
                    .sent_for(*signal)
                    .is_some_and(|sent| !special(&sent))
            })
            .fold(SignalSet::default(), SignalSet::with);
        forwarding
    }

    /// What the command gets for the signal; `None` for nothing.
    pub(super) fn sent_for(&self, signal: Signal) -> Option<Signal> {
        let sent = self.sent.get(usize::from(signal.number()))?;
        Signal::from_number(i32::from(*sent))
    }

    /// The same, if nothing more is to be done about it.
    pub(super) fn sent_if_plain(&self, signal: Signal) -> Option<Signal> {
        if self.plain.contains(signal) {
            self.sent_for(signal)
        } else {
            None
        }
    }
}
