//! How a version was made, in the words of the API.

use modelet_inference::optimize::{self, Optimized};
use modelet_store::ModelVersion;

use super::compare::Comparison;
use crate::wire::optimise::{Compared, Optimise, Optimised, OutputDrift, Precision, Weight};

/// Weights that a report names; the largest. It is stored with the version and sent with each listing of it.
const WEIGHTS_MAX: usize = 100;

/// The report of a version that was made `from` another.
pub(super) fn report(
    from: &ModelVersion,
    wish: &Optimise,
    min_cosine: f64,
    made: &Optimized,
    comparison: &Comparison,
) -> Optimised {
    let mut weights: Vec<Weight> = made.rewritten.iter().map(rewritten).chain(made.kept.iter().map(kept)).collect();
    weights.sort_by_key(|weight| std::cmp::Reverse(weight.bytes_before));
    weights.truncate(WEIGHTS_MAX);
    Optimised {
        from: from.version,
        precision: wish.precision,
        activations: (wish.precision == Precision::Int8).then_some(wish.activations),
        bytes_before: from.bytes,
        bytes_after: made.bytes.len() as u64,
        compared: comparison.on,
        calls: comparison.calls,
        min_cosine,
        outputs: comparison.drift.outputs().iter().map(drift).collect(),
        rewritten: made.rewritten.len() as u64,
        kept: made.kept.len() as u64,
        weights,
        notes: notes(comparison),
    }
}

/// What answers were compared on, in words.
pub(super) fn on(compared: Compared) -> &'static str {
    match compared {
        Compared::Given => "the given samples",
        Compared::Samples => "the version's samples",
        Compared::MadeUp => "made-up inputs, which prove little: give samples",
    }
}

fn notes(comparison: &Comparison) -> Vec<String> {
    let made_up = (comparison.on == Compared::MadeUp).then(|| {
        "the answers were compared on made-up inputs, which prove little: give samples of real requests".to_owned()
    });
    let mixes = comparison.mixes_now.as_ref().map(|why| {
        format!(
            "rows influence each other now ({why}): calls are not joined, unless the version's card sets \
             batch.allow_row_mixing; activations = rows keeps them apart"
        )
    });
    made_up.into_iter().chain(mixes).collect()
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
