//! What the engine counts. Names of tenants and functions are added by whoever reads it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What lives now, over all functions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Function versions whose component is in memory.
    pub functions_awake: u64,
    /// Components in memory: one for all functions that have the same.
    pub components: u64,
    /// What the function versions in memory weigh: code and memory of warm instances, in bytes. A component that several have
    /// counts for each.
    pub warm_bytes: u64,
    /// What they may weigh, but for those that are kept warm on purpose.
    pub warm_bytes_max: u64,
    /// Function versions that left memory because nobody asked.
    pub gone_idle: u64,
    /// Those that left for another's room.
    pub gone_for_room: u64,
    /// Those that left because the machine was short of memory.
    pub gone_under_pressure: u64,
    /// Instances answering a request, or being made.
    pub instances_busy: u64,
    /// Instances kept warm.
    pub instances_idle: u64,
    /// Instances in the pool of the world that has most of them. Each world has a pool of its own, of `instances_total` places.
    pub instances_in_fullest_pool: u64,
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
            ..EngineStats::default()
        }
    }
}
