//! How sessions are made: the one list of ONNX Runtime's settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::session::Session as OrtSession;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::device_memory::DeviceMemory;
use super::environment::Environment;
use super::ffi::without_threads;
use super::provider::{self, Target};
use crate::model_file::ModelFile;

/// How the sessions of one model are made.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    /// Threads inside one operator; 1 means the runner's own thread only.
    pub(crate) intra_threads: usize,
    /// Rewrite the graph for speed while loading.
    pub(crate) optimise: bool,
    /// Keep rearranged copies of weights, which make runs faster and sessions larger.
    pub(crate) prepack: bool,
    /// Bytes that one folded constant may have.
    pub(crate) folded_bytes_max: u64,
    /// Where to write what the graph has become.
    pub(crate) optimised_to: Option<PathBuf>,
    /// Where they run.
    pub(crate) place: SessionPlace,
}

/// Where the sessions of one model run.
#[derive(Clone, Debug)]
pub(crate) struct SessionPlace {
    pub(crate) target: Target,
    /// The device's memory; `None`: the CPU.
    pub(crate) memory: Option<Arc<DeviceMemory>>,
    /// By binding instead of by a plain call.
    pub(crate) binds: bool,
}

impl SessionPlace {
    /// The CPU, by plain calls.
    pub(crate) fn cpu() -> Self {
        Self { target: Target::cpu(), memory: None, binds: false }
    }
}

/// What a session of `file` is made with.
pub(super) fn options(
    environment: &Environment,
    file: &ModelFile,
    settings: &SessionSettings,
) -> ort::Result<SessionBuilder> {
    let is_optimised = matches!(file, ModelFile::Optimised(_));
    let level = match settings.optimise && !is_optimised {
        true => GraphOptimizationLevel::All,
        false => GraphOptimizationLevel::Disable,
    };
    let mut builder = OrtSession::builder(environment.ort())?
        .with_intra_threads(settings.intra_threads)?
        .with_inter_threads(1)?
        // Spinning threads would burn the cores of every other model and guest.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Patterns are kept for every input shape ever seen, without a limit: a caller could fill the memory.
        .with_memory_pattern(false)?
        .with_optimization_level(level)?
        .with_env_allocators()?
        .with_prepacking(settings.prepack)?;
    builder = if is_optimised { in_place(builder)? } else { from_onnx(builder, file, settings)? };
    if environment.has_shared_threads {
        without_threads(&mut builder)?;
    }
    provider::register(builder, &settings.place.target)
}

/// Of a mapped file nothing is copied: the graph and the weights are read where they lie.
fn in_place(builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    let builder = builder
        .with_config_entry("session.load_model_format", "ORT")?
        .with_config_entry("session.use_ort_model_bytes_directly", "1")?
        .with_config_entry("session.use_ort_model_bytes_for_initializers", "1")?;
    Ok(builder)
}

fn from_onnx(builder: SessionBuilder, file: &ModelFile, settings: &SessionSettings) -> ort::Result<SessionBuilder> {
    // Without a folder no weights are in other files (`admission` refuses them first): no file is below this one.
    let folder = file.folder().map_or("/dev/null".into(), Path::to_string_lossy);
    let builder = builder
        // The bytes are checked as ONNX; the other format is not.
        .with_config_entry("session.load_model_format", "ONNX")?
        .with_config_entry("session.model_external_initializers_file_folder_path", folder)?
        .with_config_entry(
            "optimization.constant_folding_max_output_size_in_bytes",
            settings.folded_bytes_max.to_string(),
        )?;
    let Some(path) = &settings.optimised_to else { return Ok(builder) };
    Ok(builder.with_config_entry("session.save_model_format", "ORT")?.with_optimized_model_path(path)?)
}
