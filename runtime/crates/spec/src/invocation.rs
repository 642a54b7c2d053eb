//! The id of one request answered by one instance.

use crate::error::{InvocationIdError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

/// Crockford's alphabet in lower case: no i, l, o, u, so an id can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits need 26 characters of five bits.
const CHARS: usize = 26;

/// The bits of the time in an id made by [`InvocationId::from_parts`]; the rest is random.
const RANDOM_BITS: u32 = 80;

/// The id of an invocation; written as 26 characters that sort as the ids do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId(u128);

impl InvocationId {
    /// An id of 128 random bits, drawn by the caller.
    #[must_use]
    pub fn new(random: u128) -> Self {
        Self(random)
    }

    /// An id that sorts by time (as a ULID): `unix_ms` in its upper 48 bits, below it 80 of the random bits.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: u128) -> Self {
        Self((u128::from(unix_ms) << RANDOM_BITS) | (random & ((1 << RANDOM_BITS) - 1)))
    }

    /// The id's text: ASCII, made without an allocation.
    #[must_use]
    pub fn text(self) -> [u8; CHARS] {
        let mut text = [b'0'; CHARS];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            let five = usize::try_from(rest & 31).unwrap_or_default();
            *place = ALPHABET.get(five).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        text
    }

    /// When it was made, in milliseconds since 1970, if it is one of [`Self::from_parts`].
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        u64::try_from(self.0 >> RANDOM_BITS).unwrap_or(u64::MAX)
    }

    /// The 128 bits.
    #[must_use]
    pub fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The alphabet is ASCII.
        f.pad(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InvocationId {
    type Err = InvocationIdError;

    fn from_str(text: &str) -> Result<Self, InvocationIdError> {
        decode(text).map(Self).ok_or_else(|| InvocationIdError { text: cut(text, 80) })
    }
}

/// The 128 bits; `None` for another length, another letter, or more than 128 bits.
fn decode(text: &str) -> Option<u128> {
    if text.len() != CHARS {
        return None;
    }
    text.bytes().try_fold(0_u128, |bits, letter| {
        let five = ALPHABET.iter().position(|known| *known == letter)?;
        Some(bits.checked_mul(32)? | u128::try_from(five).ok()?)
    })
}

text_serde!(InvocationId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "0", &"0".repeat(27), &"u".repeat(26), &"z".repeat(26), &"A".repeat(26)] {
            assert!(text.parse::<InvocationId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_survives_text_and_json(bits: u128) {
            let id = InvocationId::new(bits);
            prop_assert_eq!(id.to_string().len(), 26);
            prop_assert_eq!(id.to_string().parse::<InvocationId>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<InvocationId>(&json).unwrap(), id);
        }

        #[test]
        fn texts_sort_as_times_do(early in 0_u64..1 << 48, late in 0_u64..1 << 48, a: u128, b: u128) {
            prop_assume!(early < late);
            let (early, late, before) = (InvocationId::from_parts(early, a), InvocationId::from_parts(late, b), early);
            prop_assert_eq!(early.unix_ms(), before);
            prop_assert!(early.to_string() < late.to_string());
        }
    }
}
