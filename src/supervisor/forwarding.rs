//! Which signal the command gets for each signal that exitdir-run receives. Pure.

use crate::signal::{Signal, SignalSet};

/// The signal to send for each received signal.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    /// The number to send, by the number received; 0 for none.
    sent: [u8; 65],
    /// Signals that are only forwarded: neither they nor what is sent for them has another effect.
    plain: SignalSet,
}

/// Signals that the machine must see, whether received or sent. The stop signal is another.
const SPECIAL: SignalSet = SignalSet::from_bits(0)
    .with(Signal::TERM)
    .with(Signal::INT)
    .with(Signal::QUIT)
    .with(Signal::CONT)
    .with(Signal::CHLD);

impl Forwarding {
    /// A TERM is forwarded as the stop signal. A rewrite replaces what the command gets for its
    /// first signal; `None` drops the signal. The last rewrite of a signal counts.
    pub(crate) fn new(stop_signal: Signal, rewrites: &[(Signal, Option<Signal>)]) -> Forwarding {
        let mut forwarding = Forwarding {
            sent: [0; 65],
            plain: SignalSet::default(),
        };
        let mut set = |from: Signal, to: Option<Signal>| {
            if let Some(entry) = forwarding.sent.get_mut(usize::from(from.number())) {
                *entry = to.map_or(0, Signal::number);
            }
            let is_special = |signal| SPECIAL.contains(signal) || signal == stop_signal;
            let is_plain = !SPECIAL.contains(from) && to.is_some_and(|to| !is_special(to));
            forwarding.plain = match is_plain {
                true => forwarding.plain.with(from),
                false => forwarding.plain.without(from),
            };
        };
        let all_signals = (1..=64).filter_map(Signal::from_number);
        all_signals.for_each(|signal| set(signal, Some(signal)));
        set(Signal::TERM, Some(stop_signal));
        rewrites.iter().for_each(|(from, to)| set(*from, *to));
        forwarding
    }

    /// What the command gets for the signal; `None` for nothing.
    pub(super) fn sent_for(&self, received: Signal) -> Option<Signal> {
        let sent = self.sent.get(usize::from(received.number()))?;
        Signal::from_number(i32::from(*sent))
    }

    /// The same for a signal that is only forwarded; `None` for any other.
    pub(super) fn sent_if_plain(&self, received: Signal) -> Option<Signal> {
        if self.plain.contains(received) {
            self.sent_for(received)
        } else {
            None
        }
    }
}
