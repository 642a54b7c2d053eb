//! Whether a device is really there: a small model is run on it, twice, the second time on what the first left there.

use std::ffi::CString;
use std::sync::Arc;

use modelet_spec::Device;
use ort::memory::MemoryInfo;
use ort::session::RunOptions;

use super::device_memory::DeviceMemory;
use super::environment::Environment;
use super::ffi::{self, InputValue, Names, OutputValue, SessionHandle};
use super::message;
use super::provider::{self, Target};
use super::tiny;
use crate::element::ElementType;
use crate::shape::Shape;

/// What is fed, and what four times that is.
const ASKED: [f32; 2] = [1.5, -0.25];
const ANSWER: [f32; 2] = [6.0, -1.0];

/// Tries a device with `memory_max` bytes of its memory. Gives its memory; for the CPU there is none of its own.
///
/// # Errors
/// It is not there, or does not work: the loader's or the provider's own words.
pub(crate) fn probe(
    environment: &Environment,
    device: Device,
    memory_max: u64,
) -> Result<Option<Arc<DeviceMemory>>, String> {
    let target = Target::of(device, memory_max);
    let told = |error: ort::Error| cause(&message::public(error.message())).to_owned();
    let options = provider::strict_options(environment, &target).map_err(told)?;
    let handle = SessionHandle::load(environment.ort(), &options, &tiny::doubling()).map_err(told)?;
    provider::is_really_there(&handle.assignment().map_err(told)?, &target)?;
    let memory = memory_of(environment, &target).map_err(told)?;
    let answer = twice(environment, handle, memory.as_deref()).map_err(told)?;
    if answer != bytes(ANSWER) {
        return Err("a small model gave a wrong answer on it".to_owned());
    }
    Ok(memory)
}

/// A device's memory, bounded for all sessions together where ONNX Runtime can.
fn memory_of(environment: &Environment, target: &Target) -> ort::Result<Option<Arc<DeviceMemory>>> {
    let Some(index) = target.card() else { return Ok(None) };
    let info = ffi::cuda_memory(index)?;
    // TensorRT allocates by CUDA's allocator.
    let bytes = usize::try_from(target.memory_max).unwrap_or(usize::MAX);
    if let Err(error) = ffi::register_device_arena(environment.ort(), provider::CUDA_NAME, &info, bytes) {
        // Both ways to a card share its memory, and the second finds the arena there.
        let is_there = error.message().contains("already");
        if !is_there {
            tracing::warn!(device = %target.device, error = error.message(), "its memory is bounded for each session alone");
        }
    }
    Ok(Some(DeviceMemory::new(environment, target.clone(), info)))
}

fn twice(environment: &Environment, mut handle: SessionHandle, memory: Option<&DeviceMemory>) -> ort::Result<Vec<u8>> {
    let shape = Shape::new(&[2]).map_err(|error| ort::Error::new(error.to_string()))?;
    let names = (Names::new(vec![CString::from(c"x")]), Names::new(vec![CString::from(c"y")]));
    let options = RunOptions::new()?;
    let place: &MemoryInfo<'_> = memory.map_or(&environment.memory, |memory| memory.info());
    let staging = memory.and_then(|memory| memory.staging(&handle));
    let mut run = |input: InputValue<'_>| -> ort::Result<OutputValue> {
        let mut outputs = handle.run_bound(&options, (&names.0, &[input]), (&names.1, &[place]))?;
        let mut output = outputs.pop().ok_or_else(|| ort::Error::new("no output"))?;
        output.describe()?;
        if output.is_on_host() != memory.is_none() {
            return Err(ort::Error::new("an output did not stay on the device"));
        }
        Ok(output)
    };
    let asked = bytes(ASKED);
    let first = run(match &staging {
        Some(staging) => InputValue::staged(staging, ElementType::F32, &shape, &asked)?,
        None => InputValue::over_bytes(&environment.memory, ElementType::F32, &shape, &asked)?,
    })?;
    let second = run(InputValue::over_output(place, ElementType::F32, &shape, (&first, 0..asked.len()))?)?;
    match memory {
        None => Ok(second.bytes().to_vec()),
        Some(memory) => Ok(memory.to_host(ElementType::F32, &shape, &second)?.bytes().to_vec()),
    }
}

/// The message without the function that failed and the code that it failed with.
fn cause(message: &str) -> &str {
    message.rsplit(" : FAIL : ").next().unwrap_or(message).trim_end_matches('.')
}

fn bytes(values: [f32; 2]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::cause;

    #[test]
    fn a_loaders_message_is_told_without_where_it_came_from() {
        let whole = "onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load \
                     library with error: libcublasLt.so.13: cannot open shared object file";
        let told = "Failed to load library with error: libcublasLt.so.13: cannot open shared object file";
        assert_eq!((cause(whole), cause("plain.")), (told, "plain"));
    }
}
