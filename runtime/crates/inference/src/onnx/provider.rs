//! Execution providers: how a session is told to run on a device, and whether it really did.

use std::path::PathBuf;

use modelet_spec::Device;
use ort::ep::{ArenaExtendStrategy, CUDA, ExecutionProvider, ExecutionProviderDispatch, TensorRT, cuda};
use ort::session::Session as OrtSession;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::environment::Environment;
use super::ffi::SessionHandle;
use crate::error::LoadError;

/// The provider that everything falls back to.
pub(crate) const CPU_NAME: &str = "CPUExecutionProvider";
/// CUDA's; TensorRT allocates through it, too.
pub(crate) const CUDA_NAME: &str = CUDA::NAME;
/// TensorRT's.
pub(crate) const TENSORRT_NAME: &str = TensorRT::NAME;

/// A session made with this tells which provider took each operator.
const RECORD: &str = "session.record_ep_graph_assignment_info";
/// A session made with this is refused if an operator would fall back to the CPU.
const NO_FALLBACK: &str = "session.disable_cpu_ep_fallback";

/// Where the sessions of a model run, and with which settings of the device's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) device: Device,
    /// Bytes of the device's memory that one session may take; of all sessions together where the device has an arena.
    pub(crate) memory_max: u64,
    /// TensorRT: compute in 16 bits where it is quicker.
    pub(crate) fp16: bool,
    /// TensorRT: the folder in which this model's compiled form is kept.
    pub(crate) engines: Option<PathBuf>,
}

impl Target {
    pub(crate) fn cpu() -> Self {
        Self::of(Device::Cpu, u64::MAX)
    }

    /// A device with plain settings.
    pub(crate) fn of(device: Device, memory_max: u64) -> Self {
        Self { device, memory_max, fp16: false, engines: None }
    }

    /// ONNX Runtime's name of what runs there; `None`: the CPU.
    pub(crate) fn provider(&self) -> Option<&'static str> {
        match self.device {
            Device::Cpu => None,
            Device::Cuda(_) => Some(CUDA_NAME),
            Device::TensorRt(_) => Some(TENSORRT_NAME),
        }
    }

    /// The card's number; `None`: the CPU.
    pub(crate) fn card(&self) -> Option<u32> {
        match self.device {
            Device::Cpu => None,
            Device::Cuda(index) | Device::TensorRt(index) => Some(index),
        }
    }

    /// The device's own providers, the preferred one first. Any that does not register is an error, never a CPU.
    fn providers(&self) -> Vec<ExecutionProviderDispatch> {
        let each = match self.device {
            Device::Cpu => vec![],
            Device::Cuda(index) => vec![self.cuda(index)],
            // What TensorRT does not take, CUDA does.
            Device::TensorRt(index) => vec![self.tensorrt(index), self.cuda(index)],
        };
        each.into_iter().map(ExecutionProviderDispatch::error_on_failure).collect()
    }

    fn cuda(&self, index: u32) -> ExecutionProviderDispatch {
        CUDA::default()
            .with_device_id(id(index))
            .with_memory_limit(usize::try_from(self.memory_max).unwrap_or(usize::MAX))
            // The default doubles: it would take twice of what is needed from the budget.
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            // The default tries every algorithm at each new shape, for seconds.
            .with_conv_algorithm_search(cuda::ConvAlgorithmSearch::Default)
            .build()
    }

    fn tensorrt(&self, index: u32) -> ExecutionProviderDispatch {
        let provider = TensorRT::default().with_device_id(id(index)).with_fp16(self.fp16);
        match self.engines.as_ref().map(|folder| folder.display().to_string()) {
            None => provider.build(),
            Some(folder) => provider
                .with_engine_cache(true)
                .with_engine_cache_path(&folder)
                .with_timing_cache(true)
                .with_timing_cache_path(&folder)
                .build(),
        }
    }
}

/// Tells a session to run on a device; on the CPU nothing has to be told.
pub(crate) fn register(builder: SessionBuilder, target: &Target) -> ort::Result<SessionBuilder> {
    if target.device.is_cpu() {
        return Ok(builder);
    }
    Ok(builder.with_execution_providers(target.providers())?.with_config_entry(RECORD, "1")?)
}

/// Options for the small sessions of our own: one thread, nothing rewritten.
pub(crate) fn plain_options(environment: &Environment, target: &Target) -> ort::Result<SessionBuilder> {
    let builder = OrtSession::builder(environment.ort())?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_optimization_level(GraphOptimizationLevel::Disable)?
        .with_env_allocators()?
        .with_config_entry("session.load_model_format", "ONNX")?;
    register(builder, target)
}

/// The same, for a session that must run on its device as a whole or not at all.
pub(crate) fn strict_options(environment: &Environment, target: &Target) -> ort::Result<SessionBuilder> {
    let builder = plain_options(environment, target)?;
    match target.device {
        Device::Cpu => Ok(builder.with_config_entry(RECORD, "1")?),
        Device::Cuda(_) | Device::TensorRt(_) => Ok(builder.with_config_entry(NO_FALLBACK, "1")?),
    }
}

/// Whether a session that was made for `target` is really there. On the CPU every session is.
///
/// # Errors
/// None of its operators runs on the device: that is there, and this model would be on the CPU all the same.
pub(crate) fn verify(session: &SessionHandle, target: &Target) -> Result<(), LoadError> {
    if target.device.is_cpu() {
        return Ok(());
    }
    let assignment = session.assignment().map_err(|error| error.message().to_owned());
    let found = assignment.and_then(|assignment| {
        tracing::debug!(device = %target.device, ?assignment, "operators by provider");
        is_really_there(&assignment, target)
    });
    found.map_err(|why| LoadError::Device { device: target.device, why })
}

/// Whether an operator of a session is run by the target's own provider, by what each provider took.
pub(super) fn is_really_there(assignment: &[(String, usize)], target: &Target) -> Result<(), String> {
    let wanted = target.provider().unwrap_or(CPU_NAME);
    if assignment.iter().any(|(provider, operators)| provider == wanted && *operators > 0) {
        return Ok(());
    }
    let others: Vec<&str> = assignment.iter().map(|(provider, _)| provider.as_str()).collect();
    let others = if others.is_empty() { "nothing".to_owned() } else { others.join(" and ") };
    Err(format!("no operator of it is run by {wanted}, all by {others}"))
}

fn id(index: u32) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(parts: &[(&str, usize)]) -> Vec<(String, usize)> {
        parts.iter().map(|(provider, operators)| ((*provider).to_owned(), *operators)).collect()
    }

    #[test]
    fn a_session_is_on_its_device_if_an_operator_is() {
        let cuda = Target::of(Device::Cuda(0), 1);
        assert_eq!(is_really_there(&took(&[(CPU_NAME, 3), ("CUDAExecutionProvider", 1)]), &cuda), Ok(()));
        let on_cpu = is_really_there(&took(&[(CPU_NAME, 3)]), &cuda).unwrap_err();
        assert_eq!(on_cpu, "no operator of it is run by CUDAExecutionProvider, all by CPUExecutionProvider");
        assert!(is_really_there(&took(&[("CUDAExecutionProvider", 0)]), &cuda).is_err());
        assert!(is_really_there(&[], &cuda).unwrap_err().ends_with("all by nothing"));
        // What TensorRT left to CUDA is on the card, and still is not what was asked for.
        let tensorrt = Target::of(Device::TensorRt(0), 1);
        assert!(is_really_there(&took(&[("CUDAExecutionProvider", 9)]), &tensorrt).is_err());
        assert_eq!(is_really_there(&took(&[(CPU_NAME, 1)]), &Target::cpu()), Ok(()));
    }
}
