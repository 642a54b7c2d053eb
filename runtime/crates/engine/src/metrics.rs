//! What the engine counts. Names of tenants and functions are added by whoever reads it.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many instances live now, over all functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineStats {
    /// Instances answering a request.
    pub instances_busy: u64,
    /// Instances kept warm.
    pub instances_idle: u64,
    /// Instances made since the start.
    pub instances_made: u64,
    /// Linear memory of the idle instances, in bytes.
    pub idle_memory_bytes: u64,
    /// Tensors whose elements were copied from a guest into the host.
    pub tensors_in: u64,
    /// Tensors whose elements were copied from the host into a guest.
    pub tensors_out: u64,
}

/// The counters behind [`EngineStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) busy: AtomicU64,
    pub(crate) idle: AtomicU64,
    pub(crate) made: AtomicU64,
    pub(crate) idle_memory: AtomicU64,
    pub(crate) tensors_in: AtomicU64,
    pub(crate) tensors_out: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> EngineStats {
        EngineStats {
            instances_busy: self.busy.load(Ordering::Relaxed),
            instances_idle: self.idle.load(Ordering::Relaxed),
            instances_made: self.made.load(Ordering::Relaxed),
            idle_memory_bytes: self.idle_memory.load(Ordering::Relaxed),
            tensors_in: self.tensors_in.load(Ordering::Relaxed),
            tensors_out: self.tensors_out.load(Ordering::Relaxed),
        }
    }
}
