//! Tells what kind of file the bytes are: `POST` any bytes, get `{"label","score","mime","group","description"}`.
//!
//! It does what `Magika.identify_bytes` of PyPI's `magika` 1.0.3 does in its default mode, with the same model. Begin at
//! `identify`; `features` decides what the model sees, `verdict` what its answer means, `labels` holds the table.

mod features;
mod labels;
mod verdict;

use features::{Content, FEATURES};
use labels::Label;
use modelet_sdk::{Error, Model, Request, Response, Tensor, handler};
use serde::Serialize;
use verdict::Verdict;

handler!(identify);

/// The answer's body.
#[derive(Serialize)]
struct Answer {
    label: &'static str,
    /// How sure the model was of what it saw, 0 to 1; 1 where a rule decided.
    score: f32,
    mime: &'static str,
    group: &'static str,
    description: &'static str,
}

fn identify(request: Request) -> Result<Response, Error> {
    let verdict = match features::extract(request.bytes()?) {
        Content::Empty => Verdict::by_rule("empty"),
        Content::FewBytes { text: true } => Verdict::by_rule("txt"),
        Content::FewBytes { text: false } => Verdict::by_rule("unknown"),
        Content::Features(features) => verdict::of_probabilities(&probabilities(&features)?),
    };
    let Verdict { label, score } =
        verdict.ok_or_else(|| Error::internal("the model and the table of labels differ"))?;
    let Label { name, mime, group, description, .. } = label;
    Response::json(&Answer { label: name, score, mime, group, description })
}

/// How likely each label is, in the order of the table.
fn probabilities(features: &[i32; FEATURES]) -> Result<Vec<f32>, Error> {
    let input = Tensor::new(&[1, FEATURES], features.as_slice())?;
    Model::load("magika")?.run([("bytes", input)])?.get("target_label")?.to_vec()
}
