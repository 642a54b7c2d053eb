//! How a version was made, in the words of the API.

use modelet_store::ModelVersion;

use crate::trial::Rewritten;
use crate::wire::optimise::{Compared, Optimise, Optimised, Precision};

/// The report of a version that was made `from` another.
pub(super) fn report(from: &ModelVersion, wish: &Optimise, min_cosine: f64, made: Rewritten) -> Optimised {
    let notes = notes(&made);
    Optimised {
        from: from.version,
        precision: wish.precision,
        activations: (wish.precision == Precision::Int8).then_some(wish.activations),
        bytes_before: from.bytes,
        bytes_after: made.bytes,
        compared: made.compared,
        calls: made.calls,
        min_cosine,
        outputs: made.outputs,
        rewritten: made.rewritten,
        kept: made.kept,
        weights: made.weights,
        notes,
    }
}

/// The worst cosine of all outputs, with the output's name; `None` where there are no floats.
pub(super) fn worst(made: &Rewritten) -> Option<(&str, f64)> {
    let cosines = made.outputs.iter().filter_map(|output| Some((output.name.as_str(), output.cosine_min?)));
    cosines.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// What answers were compared on, in words.
pub(super) fn on(compared: Compared) -> &'static str {
    match compared {
        Compared::Given => "the given samples",
        Compared::Samples => "the version's samples",
        Compared::MadeUp => "made-up inputs, which prove little: give samples",
    }
}

fn notes(made: &Rewritten) -> Vec<String> {
    let made_up = (made.compared == Compared::MadeUp).then(|| {
        "the answers were compared on made-up inputs, which prove little: give samples of real requests".to_owned()
    });
    let mixes = made.mixes_now.as_ref().map(|why| {
        format!(
            "rows influence each other now ({why}): calls are not joined, unless the version's card sets \
             batch.allow_row_mixing; activations = rows keeps them apart"
        )
    });
    made_up.into_iter().chain(mixes).collect()
}
