//! Sessions and threads on a machine of 64 cores, as the configuration says; this one may have fewer. A process of its own,
//! one test, because a process opens ONNX Runtime once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;

use modelet_inference::{Model, RuntimeConfig};
use support::{as_f32s, flow, i64s, load, load_with, named, until};

const CORES: usize = 64;

fn turns(n: i64) -> Vec<(String, modelet_inference::Tensor)> {
    named(vec![("n", i64s(&[1], &[n]))])
}

/// Some milliseconds, so that many are in progress at once.
async fn crowd(model: &Arc<Model>, calls: usize) {
    let calls: Vec<_> = (0..calls)
        .map(|_| {
            let model = Arc::clone(model);
            tokio::spawn(async move { as_f32s(&model.run(flow(), turns(10_000)).await.unwrap()[0].1) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), [10_000.0]);
    }
}

#[tokio::test]
async fn all_models_together_never_use_more_than_the_cores() {
    let config = RuntimeConfig { library: support::library(), workers: CORES, ..RuntimeConfig::default() };
    let runtime = support::open(&config);
    // As the card says: eight threads each, so that eight sessions fill the machine.
    let wide = load_with(&runtime, "slow_loop.onnx", |options| options.intra_threads = Some(8));
    let measured = load(&runtime, "slow_loop.onnx");
    assert_eq!((wide.threads(), measured.threads()), (8, 1));
    tokio::join!(crowd(&wide, 40), crowd(&measured, 60));
    let (_, busy_max) = runtime.stats().cores_busy;
    assert!((8..=CORES).contains(&busy_max), "{busy_max} cores were busy at once");
    assert!(wide.sessions() <= CORES / 8, "{}", wide.sessions());
    assert!(measured.sessions() * measured.threads() <= CORES, "{}", measured.sessions());
    assert!(wide.thread_comparisons() == 0, "what the card says is not measured");
    // Its runs are long, so both ways are compared; whatever comes of it on this machine, it goes on answering.
    until("a comparison", || measured.thread_comparisons() > 0).await;
    crowd(&measured, 4).await;
    until("idle cores", || runtime.stats().cores_busy.0 == 0).await;
    assert!(measured.sessions() * measured.threads() <= CORES, "{} × {}", measured.sessions(), measured.threads());
}
