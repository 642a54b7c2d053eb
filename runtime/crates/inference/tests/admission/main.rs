//! Admission through its front door: bytes in, a verdict out. No ONNX Runtime here but where a test says so.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "../../../../../tests/fuzz/bodies/admission.rs"]
mod body;
mod build;
#[path = "../../../../../tests/fuzz/damaged.rs"]
mod damaged;
mod fuzzed;
mod honest;
mod hostile;
mod mutated;
mod rows;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../../../../tests/fuzz/bodies/tensors.rs"]
mod tensors;
