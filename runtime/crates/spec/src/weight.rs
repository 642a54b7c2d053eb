//! How much a tenant counts where several wait for the same thing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// From 1 to 100: of what several wait for, one with 3 has three times as much as one with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Weight(u32);

impl Weight {
    /// The most.
    pub const MAX: u32 = 100;

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    /// What everybody has who was given none.
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1..=Self::MAX => Ok(Self(number)),
            _ => Err(format!("a weight is a whole number from 1 to {}", Self::MAX)),
        }
    }
}

impl From<Weight> for u32 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_from_1_to_100() {
        assert_eq!([0, 1, 100, 101].map(|number| Weight::try_from(number).is_ok()), [false, true, true, false]);
        let read = |json: &str| serde_json::from_str::<Weight>(json).map_err(|error| error.to_string());
        assert_eq!(read("7").map(Weight::get), Ok(7));
        assert!(read("0").unwrap_err().contains("from 1 to 100") && read("-1").is_err());
    }
}
