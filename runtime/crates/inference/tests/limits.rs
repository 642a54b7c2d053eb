//! Memory and counters. A process of its own, one test at a time: they look at the whole process.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking, in its helpers too"
)]

#[path = "support/mod.rs"]
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};

use modelet_inference::{LoadError, ModelOptions, RunError, Runtime, RuntimeConfig};
use prometheus_client::registry::Registry;
use support::{as_f32s, f32s, flow, i64s, load, load_with, model_bytes, named, until};

const ARENA: u64 = 128 << 20;

/// What the rest of the process may take meanwhile.
const SLACK: u64 = 48 << 20;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> (MutexGuard<'static, ()>, Runtime) {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let config = RuntimeConfig {
        library: support::library(),
        arena_max_bytes: ARENA,
        intra_threads: Some(1),
        ..RuntimeConfig::default()
    };
    (guard, support::open(&config))
}

/// `VmRSS` or `VmHWM` (its peak), in bytes.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn zeros(n: i64) -> Vec<(String, modelet_inference::Tensor)> {
    named(vec![("shape", i64s(&[1], &[n]))])
}

#[test]
fn bombs_are_refused_and_memory_stays_below_the_cap() {
    let (_alone, runtime) = alone();
    let before = memory("VmRSS");
    let shape_bomb = load(&runtime, "shape_bomb.onnx");
    let neighbour = load(&runtime, "digits.onnx");
    for n in [1 << 29, 1 << 40, i64::MAX, 33 << 20] {
        let error = block_on(shape_bomb.run(flow(), zeros(n))).unwrap_err();
        assert!(matches!(error, RunError::TooLarge(_)), "{n}: {error:?}");
    }
    // Its size is in the file: it never gets as far as ONNX Runtime.
    let seen = runtime.load(model_bytes("constant_folding_bomb.onnx"), ModelOptions::named("seen")).err().unwrap();
    assert!(matches!(&seen, LoadError::TooLarge(why) if why.contains("(ConstantOfShape): makes at least")), "{seen:?}");
    // Its size is computed: the cap on folded constants, or the arena at the run.
    match runtime.load(model_bytes("hidden_bomb.onnx"), ModelOptions::named("bomb")) {
        Err(error) => assert!(matches!(error, LoadError::TooLarge(_)), "{error:?}"),
        Ok(bomb) => {
            let error = block_on(bomb.run(flow(), named(vec![("x", f32s(&[1], &[1.0]))]))).unwrap_err();
            assert!(matches!(error, RunError::TooLarge(_)), "{error:?}");
        }
    }
    let peak = memory("VmHWM");
    println!("resident: {} MiB before, {} MiB at the peak, {:?}", before >> 20, peak >> 20, runtime.stats());
    assert!(peak < before + ARENA + SLACK, "peak {} MiB over {} MiB", peak >> 20, before >> 20);
    // The caller that asks for what there is gets it, and so does the neighbour.
    let small = block_on(shape_bomb.run(flow(), zeros(1 << 20))).unwrap();
    assert_eq!(as_f32s(&small[0].1).len(), 1 << 20);
    block_on(neighbour.run(flow(), named(vec![("X", f32s(&[1, 64], &[0.0; 64]))]))).unwrap();
}

#[test]
fn what_one_caller_holds_another_cannot_have_until_it_is_dropped() {
    let (_alone, runtime) = alone();
    let model = load(&runtime, "shape_bomb.onnx");
    // Half of the arena each, less the rounding of the arena.
    let half = || block_on(model.run(flow(), zeros(12 << 20)));
    let mut held = Vec::new();
    let error = loop {
        match half() {
            Ok(outputs) => held.push(outputs),
            Err(error) => break error,
        }
        assert!(held.len() < 4, "the arena has no end");
    };
    assert!(matches!(error, RunError::TooLarge(_)), "{error:?}");
    assert!(!held.is_empty());
    assert!(runtime.stats().arena_in_use.unwrap() >= 48 << 20, "{:?}", runtime.stats());
    held.clear();
    half().unwrap();
}

#[test]
fn counters_return_to_where_they_were() {
    let (_alone, runtime) = alone();
    // The test before may have left a model to the worker that answered last.
    block_on(until("an empty runtime", || runtime.stats().sessions == 0));
    let before = runtime.stats();
    let model = load_with(&runtime, "slow_loop.onnx", |options| options.sessions_max = Some(2));
    assert_eq!(runtime.stats().sessions, 1);
    let mut registry = Registry::default();
    runtime.register(&mut registry);
    let text = |registry: &Registry| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    };
    let on_workers = |metrics: &str| -> u64 {
        let value = |line: &str| line.strip_prefix("modelet_model_runs_total{on=\"worker\"} ")?.parse().ok();
        metrics.lines().find_map(value).unwrap_or_else(|| panic!("no runs in\n{metrics}"))
    };
    let runs_before = on_workers(&text(&registry));
    block_on(async {
        let inputs = || named(vec![("n", i64s(&[1], &[100_000]))]);
        let (one, two) = tokio::join!(model.run(flow(), inputs()), model.run(flow(), inputs()));
        one.unwrap();
        two.unwrap();
        until("idle sessions", || model.sessions_busy() == 0 && model.sessions() == 2).await;
    });
    assert_eq!(runtime.stats().runs, before.runs + 2);
    let metrics = text(&registry);
    for line in ["modelet_device_sessions{device=\"cpu\"} 2", "modelet_inference_arena_bytes{state=\"max\"} 134217728"]
    {
        assert!(metrics.contains(line), "no `{line}` in\n{metrics}");
    }
    assert_eq!(on_workers(&metrics), runs_before + 2);
    assert!(!metrics.contains("slow_loop"), "no model is told from another\n{metrics}");
    drop(model);
    // A worker may hold the model for the moment after its answer.
    block_on(until("unloading", || runtime.stats().sessions == 0));
    assert_eq!((runtime.stats().sessions_busy, runtime.stats().queued), (0, 0));
    let metrics = text(&registry);
    assert!(metrics.contains("modelet_device_sessions{device=\"cpu\"} 0"), "{metrics}");
    assert_eq!(on_workers(&metrics), runs_before + 2, "what was done stays counted");
}
