//! `cargo xtask setup`: what a build and a run need and a clone does not have.
//!
//! Each part looks first, does only what is missing, checks what it got against a pinned SHA-256, and leaves nothing half done under
//! a final name; so setup may be stopped at any moment and started again.

mod lock;
mod minilm;
mod models;
mod onnxruntime;
mod wasm_target;
mod wasmtime;

use crate::failure::Failure;
use crate::places::Places;
use std::time::Instant;

/// Lays what is missing and says, part by part, what it did.
pub(crate) fn run(places: &Places) -> Result<(), Failure> {
    perform(
        places,
        &[("wasm target", wasm_target::ensure), ("ONNX Runtime", onnxruntime::ensure), ("models", models::ensure)],
    )
}

/// What benches need beside: hundreds of megabytes, which nobody else should wait for.
pub(crate) fn for_benches(places: &Places) -> Result<(), Failure> {
    for_models(places)?;
    for_peers(places)
}

/// The model that benches of models load.
pub(crate) fn for_models(places: &Places) -> Result<(), Failure> {
    perform(places, &[("benches' model", minilm::ensure)])
}

/// The server that benches of instances measure ours against.
pub(crate) fn for_peers(places: &Places) -> Result<(), Failure> {
    perform(places, &[("benches' wasmtime", wasmtime::ensure)])
}

/// Lays the ONNX Runtime that can use a GPU; nothing else asks for it.
pub(crate) fn for_gpus(places: &Places) -> Result<(), Failure> {
    perform(places, &[("ONNX Runtime for GPUs", onnxruntime::ensure_gpu)])
}

fn perform(places: &Places, parts: &[Part]) -> Result<(), Failure> {
    for (name, ensure) in parts {
        let start = Instant::now();
        let done = ensure(places)?;
        eprintln!("setup: {name}: {done} ({:.1} s)", start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// A part's name, and what makes sure of it and says what it found or did.
type Part = (&'static str, fn(&Places) -> Result<String, Failure>);
