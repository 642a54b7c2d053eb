//! How a session runs by binding: what it is fed from where it lies, what it gives left where it was made.

use std::sync::Arc;

use ort::memory::MemoryInfo;

use super::device_memory::DeviceMemory;
use super::environment::Environment;
use super::ffi::{InputValue, OutputValue, SessionHandle, Staging};
use crate::element::ElementType;
use crate::tensor::Tensor;

/// The memories of one session.
pub(crate) struct Bound {
    host: Arc<MemoryInfo<'static>>,
    /// `None`: it runs on the CPU.
    device: Option<Arc<DeviceMemory>>,
    /// Main memory that the device reads without a detour; without it ONNX Runtime copies once more.
    staging: Option<Staging>,
    /// For each output, whether it comes to main memory: strings cannot be elsewhere.
    to_host: Vec<bool>,
}

impl Bound {
    /// For a session that gives outputs of these types.
    pub(crate) fn new(
        environment: &Environment,
        session: &SessionHandle,
        device: Option<Arc<DeviceMemory>>,
        outputs: impl Iterator<Item = Option<ElementType>>,
    ) -> Self {
        let staging = device.as_ref().and_then(|device| device.staging(session));
        let to_host = outputs.map(|element| element.is_none_or(|element| element == ElementType::String)).collect();
        Self { host: Arc::clone(&environment.memory), device, staging, to_host }
    }

    /// Where each output is to be.
    pub(crate) fn memories(&self) -> Vec<&MemoryInfo<'_>> {
        let place = |to_host: &bool| match &self.device {
            Some(device) if !to_host => device.info(),
            _ => &*self.host,
        };
        self.to_host.iter().map(place).collect()
    }

    /// The device's memory, if `value`, the output at `index`, was left there.
    pub(crate) fn left(&self, index: usize, value: &OutputValue) -> Option<&Arc<DeviceMemory>> {
        let stays = self.to_host.get(index).is_some_and(|to_host| !to_host);
        self.device.as_ref().filter(|device| stays && device.holds(value))
    }

    /// A feed as the session takes it: as it is where it lies on the session's own device or in main memory, but copied
    /// to `staging` if there is such; that is counted.
    pub(crate) fn input<'a>(&'a self, feed: &'a Tensor, staged: &mut u64) -> ort::Result<InputValue<'a>> {
        if let Some((memory, output, range)) = feed.on_device()
            && self.device.as_ref().is_some_and(|device| Arc::ptr_eq(device, memory))
        {
            return InputValue::over_output(memory.info(), feed.element_type(), feed.shape(), (output, range));
        }
        match (&self.staging, feed.as_strings()) {
            (Some(staging), None) => {
                *staged += 1;
                let bytes = feed.host_bytes().map_err(|error| ort::Error::new(error.to_string()))?;
                InputValue::staged(staging, feed.element_type(), feed.shape(), bytes)
            }
            _ => super::session::input(&self.host, feed),
        }
    }
}
