//! The number of an immutable deploy of a function, or push of a model.

use crate::error::{VersionError, cut};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// 1, 2, 3 …: counted per tenant and name, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(NonZeroU32);

impl Version {
    /// The first version of anything.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// A version from its number; `None` for 0.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The version after this one. At the last number (4,294,967,295) it stays there; the store's uniqueness then refuses it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Digits only, without a sign or leading zeros, so that one version has one spelling.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let number = if plain { text.parse().ok() } else { None };
        number.map(Self).ok_or_else(|| VersionError { text: cut(text, 80) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_and_are_numbers_in_json() {
        assert_eq!(Version::FIRST.next().get(), 2);
        assert_eq!(serde_json::to_string(&Version::FIRST).unwrap(), "1");
        assert_eq!("3".parse::<Version>().unwrap().to_string(), "3");
        assert!(serde_json::from_str::<Version>("0").is_err());
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "0", "-1", "+1", "01", "1.0", "4294967296", "one"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
