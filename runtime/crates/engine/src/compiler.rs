//! Compiling, and nothing else: for a process with little address space, which no function ever runs in.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::error::{CompileError, EngineError};
use crate::settings;

/// Makes code for every [`Engine`](crate::Engine) with the same [`id`](Self::id). It has no pool and no thread, and inspects
/// nothing: [`Engine::check`](crate::Engine::check) does, before.
pub struct Compiler {
    wasmtime: wasmtime::Engine,
}

impl Compiler {
    /// A compiler for this machine.
    ///
    /// # Errors
    /// When the platform lacks what wasmtime needs.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self { wasmtime: wasmtime::Engine::new(&settings::compiling())? })
    }

    /// Names the version and settings of wasmtime: which engines the code is for.
    #[must_use]
    pub fn id(&self) -> String {
        id(&self.wasmtime)
    }

    /// Compiles a component: tenths of a second to many seconds of CPU on all threads of rayon.
    ///
    /// # Errors
    /// [`CompileError::Invalid`].
    pub fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        compile(&self.wasmtime, wasm)
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
