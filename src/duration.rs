//! Durations as users write them: Go's (`1m30s`), `timeout(1)`'s (`0.5`, `1d`), `0` and `off`.
//!
//! Pure text in, value out; it knows neither options nor clocks.

use std::time::{Duration, Instant};

/// How long something may take: a [`Duration`], or no limit at all (`off`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Limit {
    /// Until this much time has passed. Zero means at once.
    After(Duration),
    /// For ever.
    Never,
}

impl Limit {
    /// The moment at which the limit is reached, counted from `start`. `None` for never, and for a
    /// moment that is too far away for the clock.
    pub(crate) fn deadline(self, start: Instant) -> Option<Instant> {
        match self {
            Limit::After(duration) => start.checked_add(duration),
            Limit::Never => None,
        }
    }
}

impl std::fmt::Display for Limit {
    /// `30s`, `1.500s`, `200ms`, `off`. Parts of a millisecond are cut off.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Limit::Never => f.write_str("off"),
            Limit::After(duration) => match (duration.as_secs(), duration.subsec_millis()) {
                (seconds, 0) => write!(f, "{seconds}s"),
                (0, millis) => write!(f, "{millis}ms"),
                (seconds, millis) => write!(f, "{seconds}.{millis:03}s"),
            },
        }
    }
}

/// Reads a duration: `off`, a number of seconds without unit, or numbers with the units `ns`, `us`
/// (`µs`), `ms`, `s`, `m`, `h`, `d`, one after the other. `None` for anything else, also for
/// negative numbers.
///
/// A value that is too large for a [`Duration`] saturates.
pub(crate) fn parse_duration(text: &str) -> Option<Limit> {
    if text == "off" {
        return Some(Limit::Never);
    }
    if let Some((number, "")) = split_number(text) {
        return Some(Limit::After(scale(number, NANOS_PER_SECOND)?));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let (unit, after) = split_unit(after)?;
        total = total.saturating_add(scale(number, unit)?);
        rest = after;
    }
    (!text.is_empty()).then_some(Limit::After(total))
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Longer names come first, so that `ms` is not read as minutes.
const UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("d", 86_400 * NANOS_PER_SECOND),
];

/// The leading decimal number and what follows it.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    number
        .contains(|c: char| c.is_ascii_digit())
        .then_some((number, rest))
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    UNITS
        .iter()
        .find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(name)?)))
}

/// A decimal number times a unit, in integers: 0.1 has no exact floating-point form.
fn scale(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Eighteen digits resolve a day to less than a nanosecond.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let places = u32::try_from(fraction.len()).ok()?;
    let nanos = digits(whole)?
        .saturating_mul(u128::from(unit))
        .saturating_add(digits(fraction)? * u128::from(unit) / 10_u128.pow(places));
    let seconds = u64::try_from(nanos / u128::from(NANOS_PER_SECOND)).unwrap_or(u64::MAX);
    let below = u32::try_from(nanos % u128::from(NANOS_PER_SECOND)).ok()?;
    Some(Duration::new(seconds, below))
}

/// A run of digits as a number; an empty run is zero, one that is too long saturates.
fn digits(text: &str) -> Option<u128> {
    text.chars().try_fold(0_u128, |sum, c| {
        let digit = u128::from(c.to_digit(10)?);
        Some(sum.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(nanos: u64) -> Option<Limit> {
        Some(Limit::After(Duration::from_nanos(nanos)))
    }

    #[test]
    fn go_and_timeout_notations_mean_what_they_mean_there() {
        for (text, expected) in [
            ("0", after(0)),
            ("30", after(30_000_000_000)),
            ("0.5", after(500_000_000)),
            (".5", after(500_000_000)),
            ("5.", after(5_000_000_000)),
            ("2m", after(120_000_000_000)),
            ("1d", after(86_400_000_000_000)),
            ("1m30s", after(90_000_000_000)),
            ("500ms", after(500_000_000)),
            ("1.5h", after(5_400_000_000_000)),
            ("1h1ns", after(3_600_000_000_001)),
            ("2us", after(2_000)),
            ("2\u{b5}s", after(2_000)),
            ("2\u{3bc}s", after(2_000)),
            ("0.0000000001", after(0)),
            ("off", Some(Limit::Never)),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in [
            "", " ", "-1", "-1s", "+1s", "1x", "s", ".", "1..2", "1.2.3", "1m30", "1 s", "Off",
            "1e3", "inf", "1s ", "\u{661}s",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_limit_is_printed_as_people_write_it() {
        for (text, printed) in [
            ("0", "0s"),
            ("30", "30s"),
            ("1m30s", "90s"),
            ("200ms", "200ms"),
            ("1.5", "1.500s"),
            ("off", "off"),
        ] {
            assert_eq!(parse_duration(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_too_large_saturates() {
        let Some(Limit::After(long)) =
            parse_duration("99999999999999999999999999999999999999999999d")
        else {
            panic!("not a duration");
        };
        assert!(long.as_secs() == u64::MAX);
        assert_eq!(Limit::After(long).deadline(Instant::now()), None);
    }
}
