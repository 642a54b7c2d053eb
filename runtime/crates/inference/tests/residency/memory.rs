//! What leaves the process's memory when models go and after a run that needed much.

use std::sync::Arc;

use modelet_inference::{LoadContext, LoadError, Loader, Model, ModelOptions, Runtime, Unload};
use modelet_spec::Device;

use crate::build::{F32, Graph, raw};
use crate::support::{flow, i64s, load, named, until};
use crate::{Host, block_on, key};

const MIB: u64 = 1 << 20;
/// Weights of one model: just under the 32 MiB up to which the C library keeps what is freed.
const SIDE: usize = 2896;
/// What allocators, threads and the test itself may keep.
const SLACK: u64 = 24 * MIB;
/// What the C library keeps at the end of the heap of the one thread that loads. It gives the end of a thread's heap back only
/// when something is freed there, and only what is over a threshold which grows to twice the 32 MiB above; `malloc_trim` gives
/// back what is free inside of heaps, and the end of the main one. To lower the threshold is to have each tensor of some
/// MiB faulted in again at each call, so it is left.
const HEAP_END: u64 = 64 * MIB;

/// `y = x · W`, with different weights for each seed.
struct Large(Runtime, u8);

impl Loader for Large {
    fn bytes(&self) -> u64 {
        80 * MIB
    }

    fn load(&self, _: Device, _: &LoadContext) -> Result<Arc<Model>, LoadError> {
        let weights: Vec<u8> =
            (0..SIDE * SIDE).flat_map(|i| ((i as u8 ^ self.1) as f32 / 256.0).to_le_bytes()).collect();
        let side = SIDE as i64;
        let product = Graph::default()
            .node("MatMul", &["x", "w"], &["y"], vec![])
            .constant(raw("w", F32, &[side, side], &weights))
            .input("x", F32, &[1, side])
            .output_of("y", F32, &[1, side]);
        self.0.load(product.model().0, ModelOptions::named("large"))
    }
}

/// `VmRSS`, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn memory_of_models_that_went_goes_back_to_the_system() {
    let host = Host::new(|config| config.loads_max = 1);
    let handle = |seed: u8| host.residency.handle(key(&seed.to_string()), Arc::new(Large(host.runtime.clone(), seed)));
    let handles = [handle(1), handle(2), handle(3)];
    // Once there and back, so that what is kept for good is there.
    block_on(handles[0].get()).unwrap();
    assert_eq!(handles[0].unload(false), Unload::Done);
    let before = resident();
    for handle in &handles {
        block_on(handle.get()).unwrap();
    }
    let (loaded, bytes) = (resident(), host.bytes());
    for handle in &handles {
        let footprint = block_on(async { handle.get().await.unwrap().footprint() });
        println!("{footprint:?}");
        assert_eq!(handle.unload(false), Unload::Done);
    }
    let after = resident();
    println!("{} MiB before, {} loaded, {} after; charged {}", before / MIB, loaded / MIB, after / MIB, bytes / MIB);
    assert!(loaded > before + 3 * 32 * MIB, "{} MiB, then {}", before / MIB, loaded / MIB);
    assert!(bytes > 3 * 63 * MIB, "{} MiB charged for three files and their weights", bytes / MIB);
    assert!(after < before + SLACK + HEAP_END, "{} MiB, then {} of {}", before / MIB, after / MIB, loaded / MIB);
}

#[test]
fn memory_of_a_large_run_goes_back_at_the_next_sweep() {
    let host = Host::new(|_| {});
    let model = load(&host.runtime, "shape_bomb.onnx");
    let run =
        |elements: i64| drop(block_on(model.run(flow(), named(vec![("shape", i64s(&[1], &[elements]))]))).unwrap());
    run(1);
    let before = host.runtime.stats().arena_reserved.unwrap();
    run(48 << 20);
    let grown = host.runtime.stats().arena_reserved.unwrap();
    assert!(grown > before + 150 * MIB, "{} MiB, then {}", before / MIB, grown / MIB);
    // The worker may still be on its way out of the run.
    block_on(until("the arena gives its memory back", || {
        host.residency.sweep();
        host.runtime.stats().arena_reserved.unwrap() < before + SLACK
    }));
}
