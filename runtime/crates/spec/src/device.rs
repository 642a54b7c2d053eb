//! Where a model runs: `cpu`, `cuda:0`, `tensorrt:0`; and how much that is wanted: `cuda:0!`.

use crate::error::{DeviceError, cut};
use crate::text_serde::text_serde;
use std::fmt;
use std::str::FromStr;

/// More cards than any machine has: a typing error.
const INDEX_MAX: u32 = 63;

/// A device of this machine. Whether it is there is found out elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Device {
    /// The cores, and main memory. Always there.
    #[default]
    Cpu,
    /// An NVIDIA card through CUDA, by CUDA's number for it.
    Cuda(u32),
    /// An NVIDIA card through TensorRT, which compiles a model for that card, by CUDA's number for it.
    TensorRt(u32),
}

impl Device {
    /// Whether its memory is main memory.
    #[must_use]
    pub fn is_cpu(self) -> bool {
        matches!(self, Self::Cpu)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(index) => f.pad(&format!("cuda:{index}")),
            Self::TensorRt(index) => f.pad(&format!("tensorrt:{index}")),
        }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let wrong = |reason: &str| DeviceError { text: cut(text, 80), reason: reason.to_owned() };
        if text == "cpu" {
            return Ok(Self::Cpu);
        }
        let (kind, index) = text.split_once(':').unwrap_or((text, ""));
        let device: fn(u32) -> Self = match kind {
            "cuda" => Self::Cuda,
            "tensorrt" => Self::TensorRt,
            "cpu" => return Err(wrong("`cpu` has no number")),
            _ => return Err(wrong("there is no such kind of device")),
        };
        if index.is_empty() {
            return Err(wrong("the card's number is missing"));
        }
        let is_plain = index.bytes().all(|b| b.is_ascii_digit()) && (index == "0" || !index.starts_with('0'));
        let number = index.parse().ok().filter(|number| is_plain && *number <= INDEX_MAX);
        number.map(device).ok_or_else(|| wrong(&format!("a card's number is 0 to {INDEX_MAX}")))
    }
}

text_serde!(Device);

/// A device that is asked for. Written with a `!` behind it, it is demanded: nothing else will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DeviceWish {
    /// The device.
    pub device: Device,
    /// Where it is not really there, the wish is refused instead of met by another device.
    pub is_demanded: bool,
}

impl fmt::Display for DeviceWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_demanded { "!" } else { "" };
        f.pad(&format!("{}{mark}", self.device))
    }
}

impl FromStr for DeviceWish {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (name, is_demanded) = match text.strip_suffix('!') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let device = name.parse().map_err(|error: DeviceError| DeviceError { text: cut(text, 80), ..error })?;
        Ok(Self { device, is_demanded })
    }
}

text_serde!(DeviceWish);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in ["cpu", "cpu!", "cuda:0", "cuda:0!", "cuda:63", "tensorrt:1", "tensorrt:1!"] {
            let wish: DeviceWish = text.parse().unwrap();
            assert_eq!(wish.to_string(), text);
            assert_eq!(serde_json::from_value::<DeviceWish>(serde_json::to_value(wish).unwrap()).unwrap(), wish);
        }
        assert_eq!("cuda:0!".parse(), Ok(DeviceWish { device: Device::Cuda(0), is_demanded: true }));
        assert_eq!("tensorrt:2".parse(), Ok(Device::TensorRt(2)));
        assert_eq!(DeviceWish::default().to_string(), "cpu");
    }

    #[test]
    fn what_is_no_device_is_refused_with_what_is_allowed() {
        for (text, reason) in [
            ("", "no such kind"),
            ("gpu", "no such kind"),
            ("CPU", "no such kind"),
            ("cpu:0", "has no number"),
            ("cuda", "number is missing"),
            ("cuda:", "number is missing"),
            ("cuda:x", "0 to 63"),
            ("cuda:+1", "0 to 63"),
            ("cuda:00", "0 to 63"),
            ("tensorrt:64!", "0 to 63"),
            ("cuda:0!!", "0 to 63"),
            ("cuda:0 !", "0 to 63"),
        ] {
            let message = text.parse::<DeviceWish>().unwrap_err().to_string();
            assert!(message.contains(reason) && message.contains("cpu, cuda:N or tensorrt:N"), "{text:?}: {message}");
            assert!(message.starts_with(&format!("{text:?}")), "{message}");
        }
        assert!("cuda:0!".parse::<Device>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_device_or_an_error(text in "\\PC{0,24}") {
            if let Ok(wish) = text.parse::<DeviceWish>() {
                prop_assert_eq!(wish.to_string(), text);
            }
        }
    }
}
