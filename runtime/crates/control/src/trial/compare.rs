//! The old model's answers beside the new one's.

use std::sync::Arc;

use modelet_inference::optimize::{Drift, Optimized};
use modelet_inference::{Inputs, Model, ModelFile, ModelOptions, RunError, Runtime, Tensor};
use modelet_spec::Flow;

use super::rewrite::Fault;
use crate::wire::optimise::Compared;

/// Sizes for open dimensions beside the first, until the model runs.
const OPEN_SIZES: [u64; 4] = [8, 32, 1, 224];

/// Rows and seeds of made-up calls.
const MADE_UP: [(u64, u64); 4] = [(1, 0), (1, 1), (2, 2), (4, 3)];

/// What was compared, and what came out.
pub(super) struct Comparison {
    pub(super) on: Compared,
    pub(super) calls: u64,
    pub(super) drift: Drift,
}

/// Loads both files and runs the same calls through them: the samples, which are `on`, or made-up ones where there are none.
pub(super) async fn compare(
    runtime: &Runtime,
    (before, made): (ModelFile, &Optimized),
    (on, samples): (Compared, Vec<Inputs>),
) -> Result<Comparison, Fault> {
    let folder = match &before {
        ModelFile::Onnx { folder, .. } => folder.clone(),
        ModelFile::Optimised(_) => None,
    };
    let after = ModelFile::Onnx { bytes: made.bytes.as_slice().into(), folder };
    let (before, after) = (load(runtime, before, "before")?, load(runtime, after, "after")?);
    let (on, calls) = if samples.is_empty() { (Compared::MadeUp, made_up(&before).await?) } else { (on, samples) };
    let mut drift = Drift::default();
    for call in &calls {
        let expected = run(&before, call, on).await?;
        let got = run(&after, call, on).await.map_err(|fault| fault.of("the rewritten one: "))?;
        drift.add(&expected, &got).map_err(|e| Fault::Model(format!("the rewritten one gives {e}")))?;
    }
    Ok(Comparison { on, calls: calls.len() as u64, drift })
}

fn load(runtime: &Runtime, file: ModelFile, what: &str) -> Result<Arc<Model>, Fault> {
    // One call at a time: one session is enough.
    let options = ModelOptions { sessions_max: Some(1), ..ModelOptions::named(what) };
    runtime.load(file, options).map_err(|error| Fault::Model(error.to_string()))
}

/// Calls that the model answers, of numbers that are made up.
async fn made_up(model: &Arc<Model>) -> Result<Vec<Inputs>, Fault> {
    let mut last = "its inputs have no sizes to make any up".to_owned();
    for open in OPEN_SIZES {
        let made = MADE_UP.iter().map(|(rows, seed)| model.description().made_up(*rows, open, *seed));
        let Ok(made) = made.collect::<Result<Vec<_>, _>>() else { continue };
        match made.first() {
            None => continue,
            Some(first) => match model.run(Flow::new(0, 0), first.clone()).await {
                Ok(_) => return Ok(made),
                Err(error) => last = format!("made-up inputs do not run: {error}"),
            },
        }
    }
    Err(Fault::Wish(format!("nothing to compare the answers on: {last}; give samples")))
}

async fn run(model: &Arc<Model>, call: &Inputs, on: Compared) -> Result<Vec<(Arc<str>, Tensor)>, Fault> {
    model.run(Flow::new(0, 0), call.clone()).await.map_err(|error| match (error, on) {
        (RunError::InvalidArgument(why), Compared::Given) => Fault::Wish(format!("a sample: {why}")),
        (error, _) => Fault::Model(format!("a call to compare does not run: {error}")),
    })
}
