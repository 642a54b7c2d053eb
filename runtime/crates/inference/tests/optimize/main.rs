//! Rewriting model files: what becomes of them, and that they still answer.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "../admission/build.rs"]
mod build;
mod half;
mod int8;
mod models;
mod odd;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use modelet_inference::admission::AdmissionLimits;
use modelet_inference::optimize::{Activations, OptimizeError, Optimized, Options, Precision, optimize};
use modelet_inference::{Model, ModelOptions, Runtime, RuntimeConfig, Tensor};

const ROWS: Precision = Precision::Int8(Activations::Rows);
const TENSOR: Precision = Precision::Int8(Activations::Tensor);
const PRECISIONS: [Precision; 3] = [ROWS, TENSOR, Precision::Fp16];

fn runtime() -> Runtime {
    support::open(&RuntimeConfig {
        library: support::library(),
        arena_max_bytes: 512 << 20,
        workers: 2,
        ..RuntimeConfig::default()
    })
}

/// Every weight is worth it, however small.
fn eager(precision: Precision) -> Options {
    Options { elements_min: 1, folded_bytes_max: 1 << 20, ..Options::new(precision) }
}

fn rewrite(model: impl AsRef<[u8]>, options: &Options) -> Result<Optimized, OptimizeError> {
    optimize(model.as_ref(), options, &AdmissionLimits::default())
}

fn load(bytes: impl AsRef<[u8]>) -> Arc<Model> {
    let bytes = bytes.as_ref().to_vec();
    runtime().load(bytes, ModelOptions::named("m")).unwrap_or_else(|error| panic!("{error}"))
}

/// The first output.
async fn answer(bytes: impl AsRef<[u8]>, inputs: Vec<(&str, Tensor)>) -> Vec<f32> {
    let outputs =
        load(bytes).run(support::flow(), support::named(inputs)).await.unwrap_or_else(|error| panic!("{error}"));
    support::as_f32s(&outputs[0].1)
}

/// Numbers between −1 and 1 that look like weights, the same each time.
fn noise(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..count).map(|_| next() + next()).collect()
}

/// The cosine of two answers.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
