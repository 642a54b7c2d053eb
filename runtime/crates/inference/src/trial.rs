//! The trial of a model before it is taken: load it, run it, compare joined with single calls, write the optimised form and
//! measure it.
//!
//! A model is code: it may crash ONNX Runtime or never end. So this is meant for a process of its own, with limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use modelet_spec::{Digest, Flow};

use crate::admission::RowMixing;
use crate::batch::rows::Outputs;
use crate::batch::{BatchTrial, first_difference};
use crate::error::{LoadError, RunError};
use crate::facts::{BatchVerdict, Facts, MemoryUse};
use crate::model::Model;
use crate::model_file::ModelFile;
use crate::optimised::OptimisedFile;
use crate::options::ModelOptions;
use crate::runtime::Runtime;
use crate::sample::Inputs;
use crate::stop::LoadStop;

/// Sizes tried for open dimensions beside the first, until the model runs: a window of a convolution needs some room, a
/// model of fixed length refuses any.
const OPEN_SIZES: [u64; 4] = [8, 32, 1, 224];

/// What is to be tried.
pub struct Trial {
    /// An ONNX file.
    pub file: ModelFile,
    /// How it is loaded. What its card says of joining does not count: the trial finds out.
    pub options: ModelOptions,
    /// Calls that the model has to answer, by name; with none, inputs are made up.
    pub samples: Vec<(String, Inputs)>,
    /// Where the optimised form goes.
    pub optimised_to: Option<PathBuf>,
}

/// Why a model did not stand its trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A sample of its owner fails.
    #[error("the sample `{name}` does not run: {error}")]
    Sample {
        /// The sample.
        name: String,
        /// Why.
        error: RunError,
    },
}

impl Runtime {
    /// Tries a model. Loads and runs it several times; blocks while loading. The optimised form is left at its place if the
    /// facts say that there is one.
    ///
    /// # Errors
    /// See [`TrialError`].
    pub async fn trial(&self, trial: Trial) -> Result<Facts, TrialError> {
        let Trial { file, mut options, samples, optimised_to } = trial;
        options.warm_up.clear();
        // This process has the CPU alone. Whether there is the device that the card asks for, the server knows.
        options.device = None;
        let has_padding = !options.padding.is_empty();
        let (before, began) = (anonymous_bytes(), Instant::now());
        let (model, mut no_form) = self.load_and_write(&file, &options, optimised_to.as_deref())?;
        let load_ms = millis(began);
        for (name, inputs) in &samples {
            let ran = model.run(Flow::new(0, 0), inputs.clone()).await;
            ran.map_err(|error| TrialError::Sample { name: name.clone(), error })?;
        }
        let (calls, made_up_open) = match calls(&model, samples).await {
            Ok((calls, open)) => (Ok(calls), open),
            Err(why) => (Err(why), None),
        };
        let batch = compare_joined(&model, calls.as_deref()).await;
        let no_padding = model.reason_against_padding().filter(|_| has_padding).map(str::to_owned);
        let grown = anonymous_bytes().saturating_sub(before);
        let memory = MemoryUse { session_bytes: self.arena_in_use().max(grown), shared_bytes: 0 };
        let first = calls.as_deref().ok().and_then(<[Inputs]>::first).cloned();
        let expected = match &first {
            Some(inputs) => model.run(Flow::new(0, 0), inputs.clone()).await.ok(),
            None => None,
        };
        let description = model.description().clone();
        drop(model);
        let no_optimised_form = no_form.clone();
        let mut facts = Facts { description, batch, no_padding, memory, load_ms, made_up_open, no_optimised_form };
        if let (Some(path), None) = (&optimised_to, &no_form) {
            match self.try_optimised(path, &facts, &options).await {
                Ok((model, measured)) => {
                    facts = measured;
                    no_form = match (first, expected) {
                        (Some(inputs), Some(expected)) => other_answers(&model, inputs, &expected).await,
                        _ => None,
                    };
                }
                Err(why) => no_form = Some(why),
            }
        }
        if let (Some(path), Some(_)) = (&optimised_to, &no_form) {
            // Whoever asked for it looks at the facts first.
            let _ = std::fs::remove_file(path);
        }
        Ok(Facts { no_optimised_form: no_form, ..facts })
    }

    /// Loads the ONNX file, writing the optimised form; without it if that is why the load fails. Says why there is none.
    fn load_and_write(
        &self,
        file: &ModelFile,
        options: &ModelOptions,
        to: Option<&Path>,
    ) -> Result<(Arc<Model>, Option<String>), LoadError> {
        let load = |to: Option<&Path>| {
            self.load_writing(file.clone(), options.clone(), &LoadStop::default(), to.map(Path::to_owned))
        };
        let Some(to) = to else { return Ok((load(None)?, Some("none was asked for".to_owned()))) };
        match load(Some(to)) {
            Ok(model) if to.metadata().is_ok_and(|file| file.len() > 0) => Ok((model, None)),
            Ok(model) => Ok((model, Some("its weights are more than one such file holds".to_owned()))),
            Err(error @ (LoadError::TooLarge(_) | LoadError::TimedOut(_))) => Err(error),
            Err(error) => Ok((load(None)?, Some(format!("ONNX Runtime does not write it: {error}")))),
        }
    }

    /// Loads the optimised form as a server would, and measures it.
    async fn try_optimised(
        &self,
        path: &Path,
        facts: &Facts,
        options: &ModelOptions,
    ) -> Result<(Arc<Model>, Facts), String> {
        let file = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
        let (digest, shared_bytes) = (Digest::of(&file), file.len() as u64);
        drop(file);
        let (arena, resident) = (self.arena_in_use(), anonymous_bytes());
        let began = Instant::now();
        let file = OptimisedFile::open(path, &digest, facts.clone()).map_err(|error| error.to_string())?;
        let model = self.load(file, options.clone()).map_err(|error| format!("it does not load: {error}"))?;
        let load_ms = millis(began);
        let in_arena = self.arena_in_use().saturating_sub(arena);
        let session_bytes = in_arena.max(anonymous_bytes().saturating_sub(resident));
        let facts = Facts { memory: MemoryUse { session_bytes, shared_bytes }, load_ms, ..facts.clone() };
        Ok((model, facts))
    }

    fn arena_in_use(&self) -> u64 {
        self.stats().arena_in_use.unwrap_or(0)
    }
}

/// Calls to compare: the samples, or made-up ones that the model answers.
/// With these the size of their open dimensions.
async fn calls(model: &Arc<Model>, samples: Vec<(String, Inputs)>) -> Result<(Vec<Inputs>, Option<u64>), String> {
    if !samples.is_empty() {
        return Ok((samples.into_iter().map(|(_, inputs)| inputs).collect(), None));
    }
    let mut last = "its inputs have no sizes to make any up".to_owned();
    for open in OPEN_SIZES {
        let made: Result<Vec<Inputs>, _> = [(1, 0), (1, 1), (2, 1)]
            .iter()
            .map(|(rows, seed)| model.description().made_up(*rows, open, *seed))
            .collect();
        let Ok(made) = made else { continue };
        let Some(first) = made.first() else { continue };
        match model.run(Flow::new(0, 0), first.clone()).await {
            Ok(_) => return Ok((made, Some(open))),
            Err(error) => last = format!("made-up inputs do not run: {error}"),
        }
    }
    Err(last)
}

async fn compare_joined(model: &Arc<Model>, calls: Result<&[Inputs], &String>) -> BatchVerdict {
    if let RowMixing::Yes { node, op, why } = &model.description().admission.row_mixing {
        let op = if op.is_empty() { String::new() } else { format!(" ({op})") };
        return BatchVerdict::NotTried(format!("its rows influence each other: {node}{op}: {why}"));
    }
    let calls = match calls {
        Ok(calls) => alike(model, calls),
        Err(why) => return BatchVerdict::NotTried(why.clone()),
    };
    match model.verify_batching(calls).await {
        Ok(BatchTrial::Equal) => BatchVerdict::Equal,
        Ok(BatchTrial::NotBatchable(why)) => BatchVerdict::Different(why),
        Err(error) => BatchVerdict::NotTried(error.to_string()),
    }
}

/// The first call, and others that differ from it in nothing but their rows. If there are none, one of the same shapes is
/// made up: the same call twice would not show that rows influence each other.
fn alike(model: &Model, calls: &[Inputs]) -> Vec<Inputs> {
    let Some(first) = calls.first() else { return Vec::new() };
    let mut alike: Vec<Inputs> = calls.iter().filter(|call| suit(first, call)).cloned().collect();
    if alike.len() < 2 {
        alike.extend(model.description().made_up_like(first).ok());
    }
    alike
}

/// Whether two calls' tensors have the same names, types and dimensions but the first.
fn suit(a: &Inputs, b: &Inputs) -> bool {
    let rest = |inputs: &Inputs, at: usize| {
        inputs.get(at).map(|(name, tensor)| {
            let dims = tensor.shape().dims().get(1..).map(<[i64]>::to_vec);
            (name.clone(), tensor.element_type(), dims)
        })
    };
    a.len() == b.len() && (0..a.len()).all(|at| rest(a, at) == rest(b, at))
}

/// Why the optimised form does not answer as the model did; `None`: it does.
async fn other_answers(model: &Arc<Model>, inputs: Inputs, expected: &Outputs) -> Option<String> {
    match model.run(Flow::new(0, 0), inputs).await {
        Ok(answers) => first_difference(expected, &answers).map(|name| format!("its output `{name}` is another one")),
        Err(error) => Some(format!("it does not run: {error}")),
    }
}

/// Memory of this process that no file stands behind, in bytes; 0 where the system does not say.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0_u64).saturating_mul(1024)
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
