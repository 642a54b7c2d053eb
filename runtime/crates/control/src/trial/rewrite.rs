//! Making a smaller model: rewrite the file, compare the answers, leave the new file in its place.

use modelet_inference::admission::{self, Admission, AdmissionLimits, ExternalData, RowMixing};
use modelet_inference::optimize::{self, Activations, OptimizeError, Optimized, Options, Precision};
use modelet_inference::{ModelFile, Runtime};

use super::child;
use super::compare::{self, Comparison};
use super::job::{RewriteJob, Rewritten, TrialAnswer, TrialJob};
use crate::wire::optimise::{self as wire, Compared, OutputDrift, Weight};

/// Weights that a report names; the largest. It is stored with the version and sent with each listing of it.
const WEIGHTS_MAX: usize = 100;

/// Why there is no new file.
pub(super) enum Fault {
    /// The model does not load or run; or this process does not do its work.
    Model(String),
    /// It cannot be rewritten so.
    Rewrite(String),
    /// The wish is wrong.
    Wish(String),
}

/// Does it, within the limits that this process has set itself.
pub(super) fn rewrite(job: &TrialJob, wish: &RewriteJob) -> Result<Rewritten, Fault> {
    let samples = child::samples(job).map_err(|(name, why)| {
        if wish.has_given {
            Fault::Wish(format!("sample {name}: {why}"))
        } else {
            Fault::Model(format!("the sample {name}: {why}"))
        }
    })?;
    let samples = samples.into_iter().map(|(_, inputs)| inputs).collect();
    let on = if wish.has_given { Compared::Given } else { Compared::Samples };
    let (runtime, executor, file) = (child::open(job)?, child::executor()?, child::file(job)?);
    let made = made(&runtime, &file, wish)?;
    let comparison = executor.block_on(compare::compare(&runtime, (file, &made), (on, samples)))?;
    let written = std::fs::write(&wish.written_to, &made.bytes);
    written.map_err(|error| Fault::Model(format!("the rewritten file cannot be written: {}", error.kind())))?;
    Ok(told(&made, &comparison))
}

fn made(runtime: &Runtime, file: &ModelFile, wish: &RewriteJob) -> Result<Optimized, Fault> {
    let has_folder = matches!(file, ModelFile::Onnx { folder: Some(_), .. });
    let external_data = if has_folder { ExternalData::Contained } else { ExternalData::Refused };
    let limits = AdmissionLimits { external_data, ..AdmissionLimits::default() };
    let admitted: Admission =
        admission::admit(file.bytes(), &limits).map_err(|refused| Fault::Model(refused.to_string()))?;
    // The new file has more nodes, and the more there are, the less each may fold.
    let folded_bytes_max = runtime.folded_bytes_max(admitted.outline.nodes.saturating_mul(2));
    let options = Options { keep: wish.keep.clone(), folded_bytes_max, ..Options::new(precision(wish)) };
    optimize::optimize(file.bytes(), &options, &limits)
        .map_err(|error: OptimizeError| Fault::Rewrite(error.to_string()))
}

fn precision(wish: &RewriteJob) -> Precision {
    match (wish.precision, wish.activations) {
        (wire::Precision::Fp16, _) => Precision::Fp16,
        (wire::Precision::Int8, wire::Activations::Rows) => Precision::Int8(Activations::Rows),
        (wire::Precision::Int8, wire::Activations::Tensor) => Precision::Int8(Activations::Tensor),
    }
}

fn told(made: &Optimized, comparison: &Comparison) -> Rewritten {
    let mut weights: Vec<Weight> = made.rewritten.iter().map(rewritten).chain(made.kept.iter().map(kept)).collect();
    weights.sort_by_key(|weight| std::cmp::Reverse(weight.bytes_before));
    weights.truncate(WEIGHTS_MAX);
    let mixes_now = match (&made.before.row_mixing, &made.after.row_mixing) {
        (RowMixing::No, RowMixing::Yes { node, why, .. }) => Some(format!("{node} {why}")),
        _ => None,
    };
    Rewritten {
        bytes: made.bytes.len() as u64,
        compared: comparison.on,
        calls: comparison.calls,
        outputs: comparison.drift.outputs().iter().map(drift).collect(),
        rewritten: made.rewritten.len() as u64,
        kept: made.kept.len() as u64,
        weights,
        mixes_now,
    }
}

fn rewritten(weight: &optimize::Rewritten) -> Weight {
    Weight {
        name: weight.weight.clone(),
        op: weight.op.clone(),
        node: weight.nodes.first().cloned().unwrap_or_default(),
        bytes_before: weight.bytes_before,
        bytes_after: weight.bytes_after,
        why: None,
    }
}

fn kept(weight: &optimize::Kept) -> Weight {
    Weight {
        name: weight.weight.clone(),
        op: weight.op.clone(),
        node: weight.node.clone(),
        bytes_before: weight.bytes,
        bytes_after: weight.bytes,
        why: Some(weight.why.clone()),
    }
}

fn drift(output: &optimize::OutputDrift) -> OutputDrift {
    OutputDrift {
        name: output.name.clone(),
        rows: output.rows,
        cosine_min: output.cosine.map(|cosine| cosine.min),
        cosine_mean: output.cosine.map(|cosine| cosine.mean),
        difference_max: output.difference_max.filter(|difference| difference.is_finite()),
        same: output.agreement.map(|agreement| agreement.same),
        same_of: output.agreement.map(|agreement| agreement.of),
    }
}

impl Fault {
    /// The same with words before it, where it is the model's.
    pub(super) fn of(self, what: &str) -> Self {
        match self {
            Self::Model(why) => Self::Model(format!("{what}{why}")),
            other => other,
        }
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Model(why)
    }
}

impl From<Fault> for TrialAnswer {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Model(why) => Self::Refused(why),
            Fault::Rewrite(why) => Self::NotRewritten(why),
            Fault::Wish(why) => Self::BadWish(why),
        }
    }
}
