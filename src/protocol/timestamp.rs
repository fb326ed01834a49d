//! Times as tombstones write them: RFC 3339 in UTC with nanoseconds. Pure.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;
/// The longest text that is kept of a time in another program's file. In bytes.
const LONGEST: usize = 64;

/// A time in a tombstone.
///
/// Keeps the text as it was written, because the text identifies a life and is compared byte by
/// byte. [`Timestamp::to_system_time`] reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp(Arc<str>);

impl Timestamp {
    /// A time of the wall clock as `2026-11-20T21:29:27.101220417Z`. A time before 1970 becomes the
    /// beginning of 1970.
    pub fn from_system_time(time: SystemTime) -> Timestamp {
        let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (
                i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                after.subsec_nanos(),
            ),
            // Only a clock that was never set shows a time before 1970.
            Err(_) => (0, 0),
        };
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let mut text = String::with_capacity(LONGEST);
        // A String takes all that is written to it.
        let _ = write!(
            text,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z"
        );
        Timestamp(text.into())
    }

    /// Takes a text from a file unchanged. It need not be a valid time.
    pub fn from_text(text: String) -> Timestamp {
        Timestamp(text.into())
    }

    /// Takes a text from another program's file, as far as a time can be long.
    pub(crate) fn from_recorded(text: &str) -> Timestamp {
        let is_end = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=LONGEST.min(text.len())).rev().find(is_end);
        Timestamp(text.get(..end.unwrap_or(0)).unwrap_or_default().into())
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the same time as `other`, or a later one. A text that is no time is only the
    /// same as itself.
    pub(crate) fn has_reached(&self, other: &Timestamp) -> bool {
        let times = self.to_system_time().zip(other.to_system_time());
        self == other || times.is_some_and(|(this, other)| this >= other)
    }

    /// The time that the text stands for, in RFC 3339 with any offset and any number of decimals.
    /// `None` if the text is not such a time, or if the time is before 1970.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        let (date, time) = self.0.split_once(['T', 't', ' '])?;
        let [year, month, day] = fields(date, '-')?;
        let zone_at = time.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = time.split_at_checked(zone_at)?;
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let [hour, minute, second] = fields(clock, ':')?;
        let valid = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second < 61;
        if !valid {
            return None;
        }
        let of_day = hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + of_day;
        let since = Duration::new(u64::try_from(seconds).ok()?, nanoseconds(fraction)?);
        UNIX_EPOCH.checked_add(since)
    }
}

fn fields(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(number);
    let fields = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(fields)
}

fn number(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    let digits = fraction.get(..9).unwrap_or(fraction);
    u32::try_from(number(&format!("{digits:0<9}"))?).ok()
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// Converts days since 1970-01-01 to a year, month and day of the proleptic Gregorian calendar.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse. Source: the same, `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn known_times_are_written_and_read() {
        for (time, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000000000Z"),
            (at(951_782_400, 1), "2000-02-29T00:00:00.000000001Z"),
            (
                at(1_795_210_167, 955_560_995),
                "2026-11-20T21:29:27.955560995Z",
            ),
            (
                at(4_102_444_799, 999_999_999),
                "2099-12-31T23:59:59.999999999Z",
            ),
        ] {
            assert_eq!(Timestamp::from_system_time(time).as_str(), text);
            assert_eq!(
                Timestamp::from_text(text.into()).to_system_time(),
                Some(time)
            );
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_read_back() {
        for day in 0..146_097_u64 {
            let time = at(day * 86_400 + day % 86_400, 7);
            assert_eq!(
                Timestamp::from_system_time(time).to_system_time(),
                Some(time)
            );
        }
    }

    #[test]
    fn offsets_and_short_fractions_are_read_as_go_writes_them() {
        let expected = Some(at(1_795_210_167, 500_000_000));
        for text in [
            "2026-11-20T21:29:27.5Z",
            "2026-11-20T22:59:27.5+01:30",
            "2026-11-20t16:29:27.500-05:00",
        ] {
            assert_eq!(
                Timestamp::from_text(text.into()).to_system_time(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "now",
            "2026-11-20",
            "2026-13-20T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T00:00:00",
            "T:Z",
            "2026-1-1T::Z",
            "2026-11-20T00:00:00+1",
            "1960-01-01T00:00:00Z",
        ] {
            assert_eq!(
                Timestamp::from_text(text.into()).to_system_time(),
                None,
                "{text:?}"
            );
        }
    }
}
