//! Sizes in bytes, as people write them.

use crate::error::{SizeError, cut};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The units, largest first. Both families are exact: KiB is 1024, KB is 1000.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of bytes; written `64MiB`, `1GB`, `512KiB`, or as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `count` KiB.
    #[must_use]
    pub const fn kib(count: u32) -> Self {
        Self((count as u64) << 10)
    }

    /// `count` MiB.
    #[must_use]
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; saturates where addresses are smaller than 64 bits.
    #[must_use]
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    /// With the largest unit that leaves no remainder, so nothing is rounded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS.iter().find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = exact.unwrap_or(&("B", 1));
        f.pad(&format!("{}{name}", self.0 / unit))
    }
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let trimmed = text.trim();
        let digits_len = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, unit) = trimmed.split_at(digits_len);
        if digits.is_empty() || unit.starts_with(['.', ',', '_']) {
            return Err(SizeError::Number(cut(text, 80)));
        }
        let factor = factor(unit.trim_start())
            .ok_or_else(|| SizeError::Unit { text: cut(text, 80), unit: cut(unit.trim(), 80) })?;
        let number = digits.parse::<u64>().ok();
        number.and_then(|n| n.checked_mul(factor)).map(Self).ok_or_else(|| SizeError::Range(cut(text, 80)))
    }
}

fn factor(unit: &str) -> Option<u64> {
    if unit.is_empty() {
        return Some(1);
    }
    UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor)
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64MiB\", or a number of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_| E::custom("a size cannot be negative"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let cases = [("64MiB", 64 << 20), ("1GB", 1_000_000_000), ("512KiB", 512 << 10), ("17", 17), ("1 kb", 1000)];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<ByteSize>().unwrap(), ByteSize(bytes));
        }
        assert_eq!(ByteSize::mib(64).to_string(), "64MiB");
        assert_eq!(ByteSize(0).to_string(), "0B");
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
        assert!(matches!("".parse::<ByteSize>(), Err(SizeError::Number(_))));
        assert!(matches!("-1MiB".parse::<ByteSize>(), Err(SizeError::Number(_))));
        assert!(matches!("1.5GiB".parse::<ByteSize>(), Err(SizeError::Number(_))));
        assert!(matches!("64M".parse::<ByteSize>(), Err(SizeError::Unit { .. })));
        assert!(matches!("99999999TiB".parse::<ByteSize>(), Err(SizeError::Range(_))));
        assert!(serde_json::from_str::<ByteSize>("-5").is_err());
    }

    proptest! {
        #[test]
        fn every_size_survives_text_and_json(bytes: u64) {
            let size = ByteSize(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
            prop_assert_eq!(serde_json::from_value::<ByteSize>(serde_json::to_value(size).unwrap()).unwrap(), size);
            prop_assert_eq!(serde_json::from_str::<ByteSize>(&bytes.to_string()).unwrap(), size);
        }

        #[test]
        fn any_text_is_a_size_or_an_error(text in "\\PC{0,24}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
