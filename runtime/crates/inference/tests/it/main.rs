//! Real models through the crate's front door, with ONNX Runtime as `cargo xtask setup` lays it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

mod batching;
mod checks;
mod digits;
mod fairness;
mod interleavings;
mod onnx;
mod padding;
mod scheduling;
#[path = "../support/mod.rs"]
mod support;
mod types;

use std::time::Duration;

use modelet_inference::{Runtime, RuntimeConfig};

/// Waiting places per model; the test of a full queue fills them.
const QUEUE_MAX: usize = 64;

/// Every test of this binary asks for the same settings, so all get the one runtime of the process.
fn runtime() -> Runtime {
    support::open(&RuntimeConfig {
        library: support::library(),
        arena_max_bytes: 512 << 20,
        workers: 4,
        intra_threads: Some(1),
        // Above the default, so that a busy machine does not keep small models from running inline.
        inline_under: Duration::from_millis(2),
        queue_max: QUEUE_MAX,
        ..RuntimeConfig::default()
    })
}
