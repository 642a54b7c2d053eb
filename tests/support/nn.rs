//! Talking to the guest `nn`: tensors in, tensors or a refusal out.

use crate::client::Answer;
use crate::frame::{Frame, Kind, Part};
use crate::host::TestHost;
use serde::Deserialize;
use std::borrow::Cow;

/// What `wasi:nn` refused, as the guest reports it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// `load`, `init` or `compute`.
    pub stage: String,
    /// The error code as WIT spells it.
    pub code: String,
    /// The error's text.
    pub data: String,
}

/// A tensor of the guest's types.
#[must_use]
pub fn part<'a>(name: &str, kind: Kind, dims: &[u32], data: impl Into<Cow<'a, [u8]>>) -> Part<'a> {
    Part { name: name.to_owned(), kind, dims: dims.to_vec(), data: data.into() }
}

/// Runs a model of the function at `route`.
///
/// # Errors
/// What `wasi:nn` refused.
///
/// # Panics
/// When the function answers anything but the two.
#[track_caller]
pub fn compute(
    host: &TestHost,
    route: &str,
    model: &str,
    inputs: Vec<Part<'_>>,
) -> Result<Vec<Part<'static>>, Refusal> {
    let request = Frame { model: model.to_owned(), tensors: inputs };
    outcome(&host.post(route, &request.encode().unwrap()))
}

/// What an answer of the guest says.
///
/// # Errors
/// What `wasi:nn` refused.
///
/// # Panics
/// When it is neither outputs nor a refusal.
#[track_caller]
pub fn outcome(answer: &Answer) -> Result<Vec<Part<'static>>, Refusal> {
    match answer.status {
        200 => {
            let frame = Frame::decode(&answer.body).unwrap();
            let own = |part: Part<'_>| Part { data: Cow::Owned(part.data.into_owned()), ..part };
            Ok(frame.tensors.into_iter().map(own).collect())
        }
        422 => Err(serde_json::from_slice(&answer.body).unwrap()),
        status => panic!("{status}: {}", answer.text()),
    }
}

/// Numbers as the bytes of a tensor.
#[must_use]
pub fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Numbers as the bytes of a tensor.
#[must_use]
pub fn i64s(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The bytes of a tensor as numbers.
#[must_use]
pub fn to_f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}
