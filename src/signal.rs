//! Signals by name and number. Pure: nothing here sends or receives one.
//!
//! Numbers are the kernel's. Real-time signals count from 34 as in `kill -l`; which of them the C
//! library reserves for itself does not matter.

use crate::spelling;
use std::fmt;

/// A signal number from 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

const RTMIN: u8 = 34;
const MAX: u8 = 64;

/// Linux' names, in the order of their numbers on x86 and ARM, beginning with 1 (signal(7)).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Signal {
    /// Hangup.
    pub const HUP: Signal = Signal(1);
    /// Interrupt, `^C`.
    pub const INT: Signal = Signal(2);
    /// Quit, `^\`.
    pub const QUIT: Signal = Signal(3);
    /// Ends a process, which can neither catch nor ignore it.
    pub const KILL: Signal = Signal(9);
    /// A write to a pipe that has no reader.
    pub const PIPE: Signal = Signal(13);
    /// Termination request.
    pub const TERM: Signal = Signal(15);
    /// A child has ended or stopped.
    pub const CHLD: Signal = Signal(17);
    /// Continue after a stop.
    pub const CONT: Signal = Signal(18);
    /// Stops a process, which can neither catch nor ignore it.
    pub const STOP: Signal = Signal(19);
    /// Stop, from the terminal: `^Z`.
    pub const TSTP: Signal = Signal(20);
    /// Read the terminal from the background.
    pub const TTIN: Signal = Signal(21);
    /// Write to the terminal from the background.
    pub const TTOU: Signal = Signal(22);
    /// A file has grown beyond its limit (setrlimit(2)).
    pub const XFSZ: Signal = Signal(25);
    /// The terminal has changed its size.
    pub(crate) const WINCH: Signal = Signal(28);

    /// The signal of this number, if there is one.
    pub fn from_number(number: i32) -> Option<Signal> {
        u8::try_from(number)
            .ok()
            .filter(|n| (1..=MAX).contains(n))
            .map(Signal)
    }

    /// The kernel's number, 1 to 64.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The status that a shell reports for a process that this signal ended: 128 plus the number.
    pub fn exit_status(self) -> u8 {
        128 + self.0
    }

    /// Whether the signal ends a process that has no handler for it (signal(7)).
    pub fn is_fatal_by_default(self) -> bool {
        let harmless = [
            "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "WINCH",
        ];
        !harmless
            .into_iter()
            .any(|name| Signal::parse(name) == Some(self))
    }

    /// Reads `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`.
    pub fn parse(text: &str) -> Option<Signal> {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Signal::from_number(text.parse().ok()?);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(rest) = name.strip_prefix("RTMIN") {
            let offset = offset(rest, '+')?;
            return Some(Signal(RTMIN.checked_add(offset)?)).filter(|s| s.0 <= MAX);
        }
        if let Some(rest) = name.strip_prefix("RTMAX") {
            let offset = offset(rest, '-')?;
            return Some(Signal(MAX.checked_sub(offset)?)).filter(|s| s.0 >= RTMIN);
        }
        let alias = match name {
            "POLL" => "IO",
            "IOT" => "ABRT",
            "CLD" => "CHLD",
            other => other,
        };
        let index = NAMES.iter().position(|known| *known == alias)?;
        Signal::from_number(i32::try_from(index).ok()? + 1)
    }

    /// The name that was probably meant by a text that is no signal.
    pub(crate) fn meant_by(text: &str) -> Option<&'static str> {
        let upper = text.to_ascii_uppercase();
        spelling::meant(upper.strip_prefix("SIG").unwrap_or(&upper), &NAMES)
    }
}

/// The number in `+3` (or `-3`). An empty text is zero.
fn offset(text: &str, sign: char) -> Option<u8> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(sign)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl fmt::Display for Signal {
    /// The name without `SIG`: `TERM`, `RTMIN+3`. 32 and 33 have no name and print as numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = usize::from(self.0) - 1;
        match (NAMES.get(index), self.0.checked_sub(RTMIN)) {
            (Some(name), _) => f.write_str(name),
            (None, Some(0)) => f.write_str("RTMIN"),
            (None, Some(offset)) => write!(f, "RTMIN+{offset}"),
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

/// A set of signals in the form of the kernel's masks: bit n-1 is signal n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SignalSet(u64);

impl SignalSet {
    /// Every signal.
    pub(crate) const ALL: SignalSet = SignalSet(u64::MAX);

    /// The kernel's form of the set.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The set with this kernel form.
    pub(crate) const fn from_bits(bits: u64) -> SignalSet {
        SignalSet(bits)
    }

    /// The set without this signal.
    pub(crate) fn without(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 & !(1 << (signal.0 - 1)))
    }

    /// Whether the signal is in the set.
    pub(crate) fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << (signal.0 - 1)) != 0
    }

    /// The set with one more signal in it.
    #[must_use]
    pub(crate) const fn with(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 | 1 << (signal.0 - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_its_name_and_number() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(Signal::parse(&number.to_string()), Some(signal));
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
            assert_eq!(
                Signal::parse(&format!("sig{signal}")),
                Signal::parse(&format!("SIG{signal}"))
            );
        }
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(65), None);
    }

    #[test]
    fn names_are_those_of_kill_dash_l() {
        for (text, number) in [
            ("term", 15),
            ("SIGTERM", 15),
            ("TERM", 15),
            ("15", 15),
            ("RTMIN", 34),
            ("RTMIN+3", 37),
            ("sigrtmin+30", 64),
            ("RTMAX", 64),
            ("RTMAX-1", 63),
            ("poll", 29),
            ("SYS", 31),
        ] {
            assert_eq!(
                Signal::parse(text).map(|s| i32::from(s.number())),
                Some(number),
                "{text}"
            );
        }
        for text in [
            "",
            "0",
            "65",
            "FOO",
            "SIG",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX-31",
            "RTMIN++1",
            "RTMIN+-1",
            "-15",
            "999999999999",
        ] {
            assert_eq!(Signal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_is_understood() {
        for (text, meant) in [
            ("TREM", Some("TERM")),
            ("sigtrem", Some("TERM")),
            ("SIGUSR", Some("USR1")),
            ("FOO", None),
            ("SIG", None),
            ("65", None),
            ("", None),
        ] {
            assert_eq!(Signal::meant_by(text), meant, "{text}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_into_it() {
        let set = SignalSet::default().with(Signal::HUP).with(Signal(64));
        assert!(
            set.contains(Signal::HUP) && set.contains(Signal(64)) && !set.contains(Signal::TERM)
        );
        assert_eq!(set.bits(), 1 | 1 << 63);
    }
}
