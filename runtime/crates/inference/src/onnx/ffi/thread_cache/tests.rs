//! What threads keep, seen by the arena's own statistics, and by answers that stay right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_spec::Flow;

use crate::overhead::runtime;
use crate::{AlignedBuf, ElementType, Model, ModelOptions, Runtime, Shape, Tensor};

fn digits(runtime: &Runtime) -> Arc<Model> {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/models/digits.onnx")).unwrap();
    runtime.load(bytes, ModelOptions { sessions_max: Some(4), ..ModelOptions::named("digits") }).unwrap()
}

/// Runs it once on this thread and gives the bytes of the outputs, which are kept by the caller.
fn run(model: &Arc<Model>, rows: u64, grey: f32) -> Vec<(Arc<str>, Tensor)> {
    let shape = Shape::new(&[rows, 64]).unwrap();
    let pixels: Vec<u8> = (0..rows * 64).flat_map(|_| grey.to_ne_bytes()).collect();
    let input = Tensor::new(ElementType::F32, shape, AlignedBuf::copy_of(&pixels)).unwrap();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    executor.block_on(model.run(Flow::new(1, 1), vec![("X".to_owned(), input)])).unwrap()
}

fn short(runtime: &Runtime) -> Arc<Model> {
    let model = digits(runtime);
    let end = Instant::now() + Duration::from_secs(30);
    while !model.runs_inline() {
        assert!(Instant::now() < end, "never measured as short");
        run(&model, 1, 0.0);
    }
    model
}

#[test]
fn a_thread_that_runs_a_small_model_again_asks_the_arena_for_nothing() {
    let runtime = runtime();
    let model = short(&runtime);
    let asked = || runtime.environment().0.arena_allocations().unwrap();
    run(&model, 1, 0.0);
    let before = asked();
    let runs = model.runs();
    for _ in 0..100 {
        run(&model, 1, 0.0);
    }
    assert_eq!(model.runs() - runs, 100);
    // A run that was slow goes to a worker, whose cache is empty at first.
    let new = asked() - before;
    assert!(new < 100, "{new} blocks were asked for in a hundred runs");
}

#[test]
fn what_threads_keep_is_given_back_and_nothing_else() {
    let runtime = runtime();
    let model = short(&runtime);
    drop(run(&model, 1, 0.0));
    let in_use = || runtime.stats().arena_in_use.unwrap();
    let before = in_use();
    let expected: Vec<Vec<u8>> = (0..4).map(|grey| run(&model, 8, grey as f32)[1].1.bytes().to_vec()).collect();
    let at_work = |grey: usize| {
        let mut kept = Vec::new();
        for at in 0..200 {
            let rows = 1 + (at * 7 + grey as u64) % 40;
            kept.push((rows as usize, run(&model, rows, grey as f32)));
            // Outputs of several runs are alive at once, and freed in another order than they were made.
            if kept.len() > 5 {
                let (rows, outputs) = kept.remove(at as usize % 5);
                let (bytes, row) = (outputs[1].1.bytes(), expected[grey].len() / 8);
                assert_eq!(bytes.len(), rows * row);
                bytes.chunks_exact(row).for_each(|bytes| is_close(bytes, &expected[grey][..row]));
            }
            if at % 50 == 0 {
                runtime.shrink_arena();
            }
        }
    };
    let at_work = &at_work;
    std::thread::scope(|scope| (0..4).for_each(|grey| _ = scope.spawn(move || at_work(grey))));
    assert_eq!(model.queue_depth(), 0);
    // Sessions that were loaded meanwhile stay.
    let sessions = model.footprint().sessions as u64;
    let after = in_use();
    assert!(after <= before + (sessions - 1) * model.footprint().arena.max(1), "{before}, then {after}");
    drop(model);
    // A further session may still be loaded in the background, and goes when that is done.
    let until = Instant::now() + Duration::from_secs(60);
    while in_use() > before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(in_use() <= before);
}

fn is_close(ours: &[u8], theirs: &[u8]) {
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect()
    };
    let (ours, theirs) = (floats(ours), floats(theirs));
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-4), "{ours:?} instead of {theirs:?}");
}
