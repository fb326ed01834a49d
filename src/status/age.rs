//! Lengths of time as people and scripts read them. Pure.

use std::time::Duration;

/// In seconds, with milliseconds.
pub(super) fn seconds(age: Duration) -> String {
    format!("{}.{:03}", age.as_secs(), age.subsec_millis())
}

/// The two largest units that are not zero: `3m12s`, `2d4h`.
pub(super) fn short(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = units
        .iter()
        .position(|(count, _)| *count > 0)
        .unwrap_or(units.len() - 1);
    let shown = units.iter().skip(first).take(2).enumerate();
    shown
        .filter(|(at, (count, _))| *at == 0 || *count > 0)
        .map(|(_, (count, unit))| format!("{count}{unit}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (192, "3m12s"),
            (3600, "1h"),
            (3661, "1h1m"),
            (187_200, "2d4h"),
            (86_405, "1d"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), text);
        }
    }
}
