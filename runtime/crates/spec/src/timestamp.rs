//! A moment, as people and programs write it: RFC 3339.

use crate::error::{TimestampError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

const DAY_MS: u64 = 86_400_000;
/// The first moment that has no four digits for its year: 10000-01-01T00:00:00Z.
const END_MS: u64 = 253_402_300_800_000;

/// Milliseconds since 1970, up to the end of the year 9999. Written in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// So many milliseconds after 1970 began; what is after the year 9999 is its end.
    #[must_use]
    pub fn from_ms(ms: u64) -> Self {
        Self(ms.min(END_MS - 1))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-28T17:40:00.250Z`; without a fraction where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match ms % 1000 {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:03}Z"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// `2026-11-28T17:40:00Z`, with a fraction and another offset than `Z` where one is written. Finer than a millisecond is cut.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        read(text).ok_or_else(|| TimestampError(cut(text, 80)))
    }
}

text_serde!(Timestamp);

fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    if date.next().is_some() || year < 1970 {
        return None;
    }
    let days = days(year, month, day)?;
    // The offset begins at its sign, or is the letter at the end.
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = time.split_at_checked(at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.split(':');
    let (hour, minute, second) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ms = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + thousandths(fraction)?;
    let ms = if offset.eq_ignore_ascii_case("z") { ms } else { shifted(ms, offset)? };
    (ms < END_MS).then_some(Timestamp(ms))
}

/// The same moment in UTC: an offset says how far a clock is ahead of it.
fn shifted(ms: u64, offset: &str) -> Option<u64> {
    let (sign, clock) = offset.split_at_checked(1)?;
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let by = (hour * 60 + minute) * 60_000;
    if sign == "+" { ms.checked_sub(by) } else { ms.checked_add(by) }
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn thousandths(fraction: &str) -> Option<u64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let three: String = fraction.chars().chain("000".chars()).take(3).collect();
    three.parse().ok()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before a year's first, since 1970.
fn days_before(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// The days since 1970 of a date that there is.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_day = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    let months: u64 = (1..month).map(|month| month_days(year, month)).sum();
    is_day.then(|| days_before(year) + months + day - 1)
}

/// Year, month and day of a day since 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    // A year is at least 365 days, so this is never too early, and by 24 leap days a century at most a few years too late.
    let mut year = 1970 + days / 365;
    while days_before(year) > days {
        year -= 1;
    }
    let mut left = days - days_before(year);
    let mut month = 1;
    while left >= month_days(year, month) {
        left -= month_days(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_everybody_writes_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_887_600_250, "2026-11-28T17:40:00.250Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (END_MS - 1, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_ms(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_ms(ms)), "{text}");
        }
        assert_eq!(Timestamp::from_ms(u64::MAX).ms(), END_MS - 1);
    }

    #[test]
    fn every_day_of_four_centuries_is_read_back() {
        for day in 0..146_097 {
            let moment = Timestamp::from_ms(day * DAY_MS + 1);
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let moment = Timestamp::from_ms(1_795_887_600_000);
        for text in ["2026-11-28t17:40:00z", "2026-11-28T18:40:00+01:00", "2026-11-28 10:10:00.0-07:30"] {
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        assert_eq!("2026-11-28T17:40:00.1239Z".parse(), Ok(Timestamp::from_ms(1_795_887_600_123)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-28",
            "2026-11-28T17:40Z",
            "2026-11-28T17:40:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-28T24:00:00Z",
            "2026-11-28T17:40:00.Z",
            "1970-01-01T00:00:00+00:01",
            "+026-11-28T17:40:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
