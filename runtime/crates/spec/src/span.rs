//! Durations as people write them: `2s`, `500ms`, `1m`, `30d`, `0ms`. Use with `#[serde(with = "modelet_spec::span")]`.

use crate::error::{SpanError, cut};
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// The units in nanoseconds, largest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The longest duration that is read: 36,500 days. Far from every overflow of a clock's addition.
pub const MAX: Duration = Duration::from_secs(36_500 * 86_400);

/// Reads a duration: a whole number and a unit.
///
/// # Errors
/// When there is no number, no known unit, or more than [`MAX`].
pub fn parse(text: &str) -> Result<Duration, SpanError> {
    let trimmed = text.trim();
    let digits_len = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = trimmed.split_at(digits_len);
    if digits.is_empty() || unit.starts_with(['.', ',', '_']) {
        return Err(SpanError::Number(cut(text, 80)));
    }
    let unit = unit.trim_start();
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| SpanError::Unit { text: cut(text, 80), unit: cut(unit, 80) })?;
    let nanos = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor));
    let span = nanos.map(Duration::from_nanos).filter(|span| *span <= MAX);
    span.ok_or_else(|| SpanError::Range(cut(text, 80)))
}

/// Writes a duration with the largest unit that leaves no remainder; nothing is rounded.
#[must_use]
pub fn format(span: Duration) -> String {
    let nanos = span.as_nanos();
    if nanos == 0 {
        return "0ms".to_owned();
    }
    let exact = UNITS.iter().find(|(_, unit)| nanos.is_multiple_of(u128::from(*unit)));
    let (name, unit) = exact.unwrap_or(&("ns", 1));
    format!("{}{name}", nanos / u128::from(*unit))
}

/// Serialises a duration as [`format()`] writes it.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*span))
}

/// Deserialises a duration as [`parse`] reads it.
///
/// # Errors
/// Those of the deserializer and of [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The same for `Option<Duration>`; `None` is written as null. Use with `#[serde(default, with = "…::span::option")]`.
pub mod option {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    /// Serialises an optional duration.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::serialize(span, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Deserialises an optional duration.
    ///
    /// # Errors
    /// Those of the deserializer and of [`super::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::parse(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases =
            [("2s", 2_000), ("500ms", 500), ("1m", 60_000), ("0ms", 0), ("30d", 2_592_000_000), ("1 h", 3_600_000)];
        for (text, millis) in cases {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis));
        }
        assert_eq!(format(Duration::from_millis(1500)), "1500ms");
        assert_eq!(format(Duration::ZERO), "0ms");
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        assert!(matches!(parse(""), Err(SpanError::Number(_))));
        assert!(matches!(parse("1.5s"), Err(SpanError::Number(_))));
        assert!(matches!(parse("-1s"), Err(SpanError::Number(_))));
        assert!(matches!(parse("5"), Err(SpanError::Unit { .. })));
        assert!(matches!(parse("5 weeks"), Err(SpanError::Unit { .. })));
        assert!(matches!(parse("36501d"), Err(SpanError::Range(_))));
        assert!(matches!(parse("99999999999999999999d"), Err(SpanError::Range(_))));
    }

    proptest! {
        #[test]
        fn every_duration_survives_text(nanos in 0..MAX.as_nanos() as u64) {
            let span = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(span)).unwrap(), span);
        }

        #[test]
        fn any_text_is_a_duration_or_an_error(text in "\\PC{0,24}") {
            let _ = parse(&text);
        }
    }
}
