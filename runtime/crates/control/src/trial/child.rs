//! What the process does that tries a model, once it has limited itself.

use modelet_inference::{
    DeviceSettings, Inputs, LibrarySource, ModelFile, ModelOptions, Runtime, RuntimeConfig, Trial,
};
use modelet_spec::DeviceWish;

use super::job::{TrialAnswer, TrialJob};
use super::rewrite;
use crate::options::options;
use crate::sample;

/// Tries a model, or makes a smaller one of it. Opens ONNX Runtime in this process.
#[must_use]
pub fn child(job: &TrialJob) -> TrialAnswer {
    match &job.rewrite {
        Some(wish) => {
            rewrite::rewrite(job, wish).map_or_else(TrialAnswer::from, |made| TrialAnswer::Rewritten(made.into()))
        }
        None => try_model(job).map_or_else(TrialAnswer::Refused, |facts| TrialAnswer::Facts(facts.into())),
    }
}

fn try_model(job: &TrialJob) -> Result<modelet_inference::Facts, String> {
    let samples = samples(job).map_err(|(name, why)| format!("the sample `{name}`: {why}"))?;
    let (runtime, executor) = (open(job)?, executor()?);
    let trial = Trial {
        file: file(job)?,
        // One call at a time, on the CPU: one session is enough.
        options: ModelOptions { sessions_max: Some(1), device: None, ..options(&job.name, &job.card, None) },
        samples,
        optimised_to: job.optimised_to.clone(),
    };
    executor.block_on(runtime.trial(trial)).map_err(|error| error.to_string())
}

/// ONNX Runtime as the server has it, for one call at a time on the CPU.
pub(super) fn open(job: &TrialJob) -> Result<Runtime, String> {
    let config = RuntimeConfig {
        library: LibrarySource { configured: Some(job.library.clone()), ..LibrarySource::default() },
        arena_max_bytes: job.arena_max_bytes,
        workers: 1,
        devices: vec![DeviceSettings { wish: DeviceWish::default(), memory_max: job.arena_max_bytes }],
        loaders: 1,
        ..RuntimeConfig::default()
    };
    Runtime::open(&config).map_err(|error| error.to_string())
}

pub(super) fn executor() -> Result<tokio::runtime::Runtime, String> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build();
    executor.map_err(|error| format!("no executor: {error}"))
}

/// The model's file.
pub(super) fn file(job: &TrialJob) -> Result<ModelFile, String> {
    let bytes = std::fs::read(&job.model).map_err(|error| format!("its file cannot be read: {}", error.kind()))?;
    Ok(ModelFile::Onnx { bytes: bytes.into(), folder: job.folder.clone() })
}

/// The job's samples, by name; or the first that is none, and why.
pub(super) fn samples(job: &TrialJob) -> Result<Vec<(String, Inputs)>, (String, String)> {
    let read = job.samples.iter().map(|given| {
        let inputs = sample::parse(given.json.as_bytes());
        inputs.map(|inputs| (given.name.clone(), inputs)).map_err(|why| (given.name.clone(), why))
    });
    read.collect()
}
