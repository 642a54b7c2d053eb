//! A device's own memory: tensors that runs leave there, and the way back to the host for those who ask.
//!
//! ONNX Runtime offers no plain copy from a device, so a model that does nothing is run, its input bound to the device
//! and its output to main memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use modelet_spec::Device;
use ort::memory::MemoryInfo;
use ort::session::RunOptions;

use super::environment::Environment;
use super::ffi::{self, InputValue, Names, OutputValue, SessionHandle, Staging};
use super::provider::{self, Target};
use super::tiny;
use crate::element::ElementType;
use crate::shape::Shape;

/// The memory of one device.
pub(crate) struct DeviceMemory {
    target: Target,
    info: MemoryInfo<'static>,
    environment: Environment,
    /// Copying sessions that nobody uses now; at most as many as were ever used at a time, which is one per thread.
    idle: Mutex<Vec<Copying>>,
    copied: AtomicU64,
}

/// A session that copies tensors of one element type.
struct Copying {
    element: ElementType,
    handle: SessionHandle,
    names: [Names; 2],
    options: RunOptions,
}

impl fmt::Debug for DeviceMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceMemory({})", self.target.device)
    }
}

impl DeviceMemory {
    pub(crate) fn new(environment: &Environment, target: Target, info: MemoryInfo<'static>) -> Arc<Self> {
        let (environment, idle) = (environment.clone(), Mutex::default());
        Arc::new(Self { target, info, environment, idle, copied: AtomicU64::new(0) })
    }

    pub(crate) fn device(&self) -> Device {
        self.target.device
    }

    pub(crate) fn info(&self) -> &MemoryInfo<'static> {
        &self.info
    }

    /// Main memory that the device reads without a detour, for a session that runs on it; `None`: it offers none.
    pub(crate) fn staging(&self, session: &SessionHandle) -> Option<Staging> {
        let info = ffi::cuda_pinned_memory(self.target.card()?);
        match info.and_then(|info| Staging::of(session, &info)) {
            Ok(staging) => Some(staging),
            Err(error) => {
                tracing::debug!(device = %self.device(), error = error.message(), "no pinned memory");
                None
            }
        }
    }

    /// Whether a session's output lies in memory of this kind.
    pub(crate) fn holds(&self, value: &OutputValue) -> bool {
        value.is_on_host() == self.target.device.is_cpu()
    }

    /// Tensors that were copied to the host.
    pub(crate) fn copied(&self) -> u64 {
        self.copied.load(Relaxed)
    }

    /// A copy in main memory of a tensor that lies here. Blocks for as long as the device takes.
    pub(crate) fn to_host(&self, element: ElementType, shape: &Shape, value: &OutputValue) -> ort::Result<OutputValue> {
        let mut copying = match self.take_idle(element) {
            Some(copying) => copying,
            None => self.open(element)?,
        };
        let (_, len) = value.address();
        let inputs = [InputValue::over_output(&self.info, element, shape, (value, 0..len))?];
        let [input, output] = &copying.names;
        let host: &MemoryInfo<'_> = &self.environment.memory;
        let mut outputs =
            copying.handle.run_bound(&copying.options, (input, &inputs), (output, std::slice::from_ref(&host)))?;
        drop(inputs);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(copying);
        let mut copy = outputs.pop().ok_or_else(|| ort::Error::new("a copy gave nothing"))?;
        let described = copy.describe()?;
        if !copy.is_on_host() || described.as_ref().map(|(_, shape)| shape) != Some(shape) {
            return Err(ort::Error::new("a copy did not reach main memory"));
        }
        self.copied.fetch_add(1, Relaxed);
        Ok(copy)
    }

    fn take_idle(&self, element: ElementType) -> Option<Copying> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().position(|copying| copying.element == element)?;
        Some(idle.swap_remove(at))
    }

    fn open(&self, element: ElementType) -> ort::Result<Copying> {
        let number = element.to_onnx().ok_or_else(|| ort::Error::new("an element type without bytes"))?;
        let options = provider::plain_options(&self.environment, &self.target)?;
        let handle = SessionHandle::load(self.environment.ort(), &options, &tiny::identity(number))?;
        let name = |text: &std::ffi::CStr| Names::new(vec![text.to_owned()]);
        Ok(Copying { element, handle, names: [name(c"x"), name(c"y")], options: RunOptions::new()? })
    }
}
