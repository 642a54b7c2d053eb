//! `[inference] devices` and `device_memory`: which devices models run on, and how much of each they may take.

use modelet_inference::DeviceSettings;
use modelet_spec::{ByteSize, Device, DeviceWish};

use super::{Config, InferenceConfig};

/// Reads `cuda:0!, cpu`.
pub(super) fn wishes(text: &str) -> Result<Vec<DeviceWish>, String> {
    let mut wishes: Vec<DeviceWish> = Vec::new();
    for part in parts(text) {
        let wish: DeviceWish = part.parse().map_err(|e| format!("is `{text}`: {e}"))?;
        if wishes.iter().any(|known| known.device == wish.device) {
            return Err(format!("is `{text}`: it names {} twice", wish.device));
        }
        wishes.push(wish);
    }
    if wishes.is_empty() {
        Err("names no device: write `cpu`, or such as `cuda:0!, cpu`".to_owned())
    } else {
        Ok(wishes)
    }
}

/// Reads `cuda:0=16GiB, cuda:1=8GiB`.
pub(super) fn budgets(text: &str) -> Result<Vec<(Device, ByteSize)>, String> {
    let mut budgets: Vec<(Device, ByteSize)> = Vec::new();
    for part in parts(text) {
        let wrong = |why: String| format!("is `{text}`: {why}");
        let (device, bytes) = part.split_once('=').ok_or_else(|| wrong(format!("write `{part}=16GiB`")))?;
        let device: Device = device.trim().parse().map_err(|e| wrong(format!("{e}")))?;
        let bytes: ByteSize = bytes.trim().parse().map_err(|e| wrong(format!("{e}")))?;
        if device.is_cpu() {
            return Err(wrong("the CPU's is `inference_memory` in [limits]".to_owned()));
        }
        if budgets.iter().any(|(known, _)| *known == device) {
            return Err(wrong(format!("it names {device} twice")));
        }
        budgets.push((device, bytes));
    }
    Ok(budgets)
}

/// What the two keys do not say together: the key's name and the fault.
pub(super) fn check(inference: &InferenceConfig, mut fault: impl FnMut(&str, String)) {
    let (wishes, budgets) = (&inference.devices, &inference.device_memory);
    for DeviceWish { device, .. } in wishes.iter().filter(|wish| !wish.device.is_cpu()) {
        if !budgets.iter().any(|(known, bytes)| known == device && bytes.0 > 0) {
            let what =
                format!("`inference.devices` names {device}, and nothing says how much of its memory models may take");
            fault("devices", format!("{what}: add `device_memory = \"{device}=16GiB\"`, with what you can spare"));
        }
    }
    for (device, _) in budgets {
        if !wishes.iter().any(|wish| wish.device == *device) {
            fault(
                "device_memory",
                format!("`inference.device_memory` names {device}, which `inference.devices` does not"),
            );
        }
    }
}

/// The devices with their bounds, as the runtime wants them.
pub(crate) fn settings(config: &Config) -> Vec<DeviceSettings> {
    let memory_max = |device: Device| {
        let budgets = config.inference.device_memory.iter();
        let found = budgets.clone().find(|(known, _)| *known == device).map(|(_, bytes)| bytes.0);
        found.unwrap_or(config.limits.inference_memory.0)
    };
    config
        .inference
        .devices
        .iter()
        .map(|wish| DeviceSettings { wish: *wish, memory_max: memory_max(wish.device) })
        .collect()
}

/// The key as it is set, for a message: "`inference.devices` is `cuda:0!, cpu`".
pub(crate) fn told(wishes: &[DeviceWish]) -> String {
    let wishes: Vec<String> = wishes.iter().map(ToString::to_string).collect();
    format!("`inference.devices` is `{}`", wishes.join(", "))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
