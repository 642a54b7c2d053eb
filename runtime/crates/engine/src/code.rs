//! Turns compiled code back into a component. The one place of the engine with `unsafe`.
#![allow(unsafe_code, reason = "wasmtime cannot check machine code; the caller vouches for where it came from")]

use wasmtime::component::Component;

/// Maps `code`, which must be what [`Engine::compile`](crate::Engine::compile) returned.
///
/// # Errors
/// When the code was made by another version of wasmtime or with other settings.
pub(crate) fn component(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime copies `code` into its own mapping and checks version and settings, but runs the machine code in it
    // as it is. `Engine::load`'s contract asks the caller to pass only bytes that `Engine::compile` made, verified by digest
    // on these very bytes; control reads them through the store, which does so.
    unsafe { Component::deserialize(engine, code) }
}
