//! What the process does that tries a model, once it has limited itself.

use modelet_inference::{DeviceSettings, LibrarySource, ModelFile, ModelOptions, Runtime, RuntimeConfig, Trial};
use modelet_spec::DeviceWish;

use super::job::{TrialAnswer, TrialJob};
use crate::options::options;
use crate::sample;

/// Tries a model. Opens ONNX Runtime in this process.
#[must_use]
pub fn child(job: &TrialJob) -> TrialAnswer {
    match try_model(job) {
        Ok(facts) => TrialAnswer::Facts(Box::new(facts)),
        Err(why) => TrialAnswer::Refused(why),
    }
}

fn try_model(job: &TrialJob) -> Result<modelet_inference::Facts, String> {
    let samples = job.samples.iter().map(|given| {
        let inputs = sample::parse(given.json.as_bytes());
        inputs.map(|inputs| (given.name.clone(), inputs)).map_err(|why| format!("the sample `{}`: {why}", given.name))
    });
    let samples = samples.collect::<Result<Vec<_>, _>>()?;
    let config = RuntimeConfig {
        library: LibrarySource { configured: Some(job.library.clone()), ..LibrarySource::default() },
        arena_max_bytes: job.limits.arena_max_bytes,
        workers: 1,
        devices: vec![DeviceSettings { wish: DeviceWish::default(), memory_max: job.limits.arena_max_bytes }],
        loaders: 1,
        ..RuntimeConfig::default()
    };
    let runtime = Runtime::open(&config).map_err(|error| error.to_string())?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let executor = executor.map_err(|error| format!("no executor: {error}"))?;
    let bytes = std::fs::read(&job.model).map_err(|error| format!("its file cannot be read: {}", error.kind()))?;
    let trial = Trial {
        file: ModelFile::Onnx { bytes: bytes.into(), folder: job.folder.clone() },
        // One call at a time, on the CPU: one session is enough.
        options: ModelOptions { sessions_max: Some(1), device: None, ..options(&job.name, &job.card, None) },
        samples,
        optimised_to: job.optimised_to.clone(),
    };
    executor.block_on(runtime.trial(trial)).map_err(|error| error.to_string())
}
