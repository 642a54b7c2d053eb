//! Where a model should run, as a card says it: `cpu`, `cuda:0`, `cuda:0!`, `tensorrt:0`.

use crate::error::{DeviceError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

/// A wish for a device. With `!` it is a demand: there or nowhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceWish(String);

impl fmt::Display for DeviceWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DeviceWish {
    type Err = DeviceError;

    /// A provider, for all but `cpu` its device's number, and perhaps `!`.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let wish = text.strip_suffix('!').unwrap_or(text);
        let numbered = ["cuda:", "tensorrt:"].iter().find_map(|provider| wish.strip_prefix(provider));
        let is_number = |digits: &str| digits.parse::<u8>().is_ok_and(|number| number.to_string() == digits);
        match wish == "cpu" || numbered.is_some_and(is_number) {
            true => Ok(Self(text.to_owned())),
            false => Err(DeviceError { text: cut(text, 80) }),
        }
    }
}

text_serde!(DeviceWish);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_written_back_and_others_refused() {
        for text in ["cpu", "cpu!", "cuda:0", "cuda:0!", "tensorrt:7"] {
            assert_eq!(text.parse::<DeviceWish>().unwrap().to_string(), text);
        }
        for text in ["", "!", "gpu", "cuda", "cuda:", "cuda:00", "cuda:-1", "cuda:0!!", "CPU", "cpu:0"] {
            assert!(text.parse::<DeviceWish>().unwrap_err().to_string().contains("cuda:0"), "{text}");
        }
    }
}
