//! Compiling, and nothing else: for a process with little address space, which no function ever runs in.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::error::{CompileError, EngineError};
use crate::world::World;
use crate::{inspect, world};

/// Makes code for every [`Engine`](crate::Engine) with the same [`id`](Self::id). It has no pool and no thread, and refuses
/// nothing that [`Engine::check`](crate::Engine::check) has found fit before.
pub struct Compiler {
    proxy: wasmtime::Engine,
    service: wasmtime::Engine,
}

impl Compiler {
    /// A compiler for this machine.
    ///
    /// # Errors
    /// When the platform lacks what wasmtime needs.
    pub fn new() -> Result<Self, EngineError> {
        let of = |world| wasmtime::Engine::new(&world::compiling(world));
        Ok(Self { proxy: of(World::Proxy)?, service: of(World::Service)? })
    }

    /// Names the version and settings of wasmtime: which engines the code is for.
    #[must_use]
    pub fn id(&self) -> String {
        id(&self.proxy)
    }

    /// Compiles a component for its world: tenths of a second to many seconds of CPU on all threads of rayon.
    ///
    /// # Errors
    /// [`CompileError::Invalid`]; [`CompileError::NoHandler`] and the like only for what was not checked.
    pub fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        let exports = inspect::inspect(wasm)?.exports;
        match World::of(&exports) {
            Some(World::Proxy) => compile(&self.proxy, wasm),
            Some(World::Service) => compile(&self.service, wasm),
            None => Err(CompileError::NoHandler { exports }),
        }
    }
}

/// Code for engines like this one.
pub(crate) fn compile(wasmtime: &wasmtime::Engine, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    wasmtime.precompile_component(wasm).map_err(|error| CompileError::Invalid(format!("{error:#}")))
}

/// What code depends on beside the component.
pub(crate) fn id(wasmtime: &wasmtime::Engine) -> String {
    let mut hash = DefaultHasher::new();
    wasmtime.precompile_compatibility_hash().hash(&mut hash);
    format!("wasmtime-48-{:016x}", hash.finish())
}
