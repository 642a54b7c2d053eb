//! Everything that models do, with each run by binding instead of by a plain call: the same tests, a process of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "it/batching.rs"]
mod batching;
#[path = "it/checks.rs"]
mod checks;
#[path = "it/digits.rs"]
mod digits;
#[path = "it/interleavings.rs"]
mod interleavings;
#[path = "it/onnx.rs"]
mod onnx;
#[path = "it/padding.rs"]
mod padding;
#[path = "it/scheduling.rs"]
mod scheduling;
#[path = "support/mod.rs"]
mod support;
#[path = "it/types.rs"]
mod types;

use std::time::Duration;

use modelet_inference::{Bind, Runtime, RuntimeConfig};

const QUEUE_MAX: usize = 64;

fn runtime() -> Runtime {
    support::open(&RuntimeConfig {
        library: support::library(),
        arena_max_bytes: 512 << 20,
        workers: 4,
        intra_threads: Some(1),
        inline_under: Duration::from_millis(2),
        queue_max: QUEUE_MAX,
        bind: Bind::Always,
        ..RuntimeConfig::default()
    })
}
