//! The old model's answers beside the new one's.

use std::sync::Arc;

use modelet_inference::admission::RowMixing;
use modelet_inference::optimize::{Drift, Optimized};
use modelet_inference::{Inputs, Model, ModelFile, ModelOptions, RunError};
use modelet_spec::Flow;
use modelet_store::ModelVersion;

use super::files::Old;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::sample;
use crate::wire::optimise::{Compared, Optimise};

/// Sizes for open dimensions beside the first, until the model runs.
const OPEN_SIZES: [u64; 4] = [8, 32, 1, 224];

/// Rows and seeds of made-up calls.
const MADE_UP: [(u64, u64); 4] = [(1, 0), (1, 1), (2, 2), (4, 3)];

/// What was compared, and what came out.
pub(super) struct Comparison {
    pub(super) on: Compared,
    pub(super) calls: u64,
    pub(super) drift: Drift,
    /// The new model's rows influence each other and the old one's do not.
    pub(super) mixes_now: Option<String>,
}

/// Loads both files and runs the same calls through them.
pub(super) async fn compare(
    control: &Arc<Control>,
    from: &ModelVersion,
    (old, made): (Old, Arc<Optimized>),
    wish: &Optimise,
) -> Result<Comparison, ControlError> {
    let runtime = control.inference.ready()?.clone();
    let label = format!("{}@{}", from.name, from.version);
    let Old { main, folder, samples } = old;
    let loading = Arc::clone(&made);
    let (before, after) = blocking(move || {
        let load = |bytes: Arc<[u8]>, what: &str| {
            let file = ModelFile::Onnx { bytes, folder: folder.clone() };
            // One call at a time: one session is enough.
            let options = ModelOptions { sessions_max: Some(1), ..ModelOptions::named(format!("{label} {what}")) };
            runtime.load(file, options).map_err(|e| ControlError::Model(e.to_string()))
        };
        Ok((load(Arc::clone(&main), "before")?, load(loading.bytes.as_slice().into(), "after")?))
    })
    .await?;
    let (on, calls) = calls(samples, wish, &before).await?;
    let mut drift = Drift::default();
    for call in &calls {
        let expected = run(&before, call, on).await?;
        let got = run(&after, call, on).await.map_err(|e| ControlError::Model(format!("the rewritten one: {e}")))?;
        drift.add(&expected, &got).map_err(|e| ControlError::Model(format!("the rewritten one gives {e}")))?;
    }
    let mixes_now = match (&made.before.row_mixing, &made.after.row_mixing) {
        (RowMixing::No, RowMixing::Yes { node, why, .. }) => Some(format!("{node} {why}")),
        _ => None,
    };
    Ok(Comparison { on, calls: calls.len() as u64, drift, mixes_now })
}

/// What to compare on: what came with the wish, else the version's samples, else numbers that are made up.
async fn calls(
    samples: Vec<Inputs>,
    wish: &Optimise,
    model: &Arc<Model>,
) -> Result<(Compared, Vec<Inputs>), ControlError> {
    if !wish.samples.is_empty() {
        let given = wish.samples.iter().enumerate().map(|(at, given)| {
            // As text again: one reader of samples for all.
            sample::parse(given.to_string().as_bytes())
                .map_err(|e| ControlError::BadRequest(format!("sample {at}: {e}")))
        });
        return Ok((Compared::Given, given.collect::<Result<_, _>>()?));
    }
    if !samples.is_empty() {
        return Ok((Compared::Samples, samples));
    }
    let mut last = "its inputs have no sizes to make any up".to_owned();
    for open in OPEN_SIZES {
        let made = MADE_UP.iter().map(|(rows, seed)| model.description().made_up(*rows, open, *seed));
        let Ok(made) = made.collect::<Result<Vec<_>, _>>() else { continue };
        match made.first() {
            None => continue,
            Some(first) => match model.run(Flow::new(0, 0), first.clone()).await {
                Ok(_) => return Ok((Compared::MadeUp, made)),
                Err(error) => last = format!("made-up inputs do not run: {error}"),
            },
        }
    }
    Err(ControlError::BadRequest(format!("nothing to compare the answers on: {last}; give samples")))
}

async fn run(
    model: &Arc<Model>,
    call: &Inputs,
    on: Compared,
) -> Result<Vec<(Arc<str>, modelet_inference::Tensor)>, ControlError> {
    model.run(Flow::new(0, 0), call.clone()).await.map_err(|error| match (error, on) {
        (RunError::InvalidArgument(why), Compared::Given) => ControlError::BadRequest(format!("a sample: {why}")),
        (error, _) => ControlError::Model(format!("a call to compare does not run: {error}")),
    })
}
