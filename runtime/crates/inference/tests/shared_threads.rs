//! One pool of threads for all runs. A process of its own, one test, because a process opens ONNX Runtime once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "support/mod.rs"]
mod support;

use modelet_inference::RuntimeConfig;
use support::{as_f32s, f32s, flow, load_with, named};

fn threads_of_this_process() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test]
async fn sessions_start_no_threads_and_give_the_same_answers() {
    let config =
        RuntimeConfig { library: support::library(), workers: 4, shared_threads: true, ..RuntimeConfig::default() };
    let runtime = support::open(&config);
    let wish = |options: &mut modelet_inference::ModelOptions| options.intra_threads = Some(4);
    let first = load_with(&runtime, "dynamic_batch.onnx", wish);
    let before = threads_of_this_process();
    let models: Vec<_> = (0..8).map(|_| load_with(&runtime, "dynamic_batch.onnx", wish)).collect();
    assert_eq!(threads_of_this_process(), before, "with threads of their own it would be 24 more");
    for model in models.iter().chain([&first]) {
        assert_eq!(model.threads(), 1, "what the card says does not count");
        let outputs = model.run(flow(), named(vec![("x", f32s(&[1, 4], &[1.0; 4]))])).await.unwrap();
        assert_eq!(as_f32s(&outputs[0].1), [4.0, 8.0, 12.0]);
    }
}
