//! The settings of wasmtime, and why each has its value.

use modelet_spec::ServerLimits;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// Native stack of one guest call, in bytes; reserved, not resident. As much as a native thread has on Linux, since a
/// model that runs in microseconds runs on the caller's own fiber and must find the stack that a worker would give it.
const FIBER_STACK: usize = 8 << 20;

/// Of it, what WebAssembly frames may use, in bytes; the rest is for host calls.
const GUEST_STACK: usize = 1 << 20;

/// Memory and stack kept mapped in a freed slot, in bytes. Resetting that much by `memset` costs less than the page faults
/// after an `madvise`: 8.2k against 5k fresh instances per second, when the kernel can scan for dirty pages.
const KEEP_RESIDENT: usize = 128 << 10;

/// Address space beside a memory that grows, in bytes: past it the memory is copied. With a MiB, a guest that took one of 1 GiB piece
/// by piece took half a minute.
const GROWTH: u64 = 128 << 20;

/// wasmtime's configuration for guests of `wasi:http` 0.2: what code is made with, and the pool it runs in.
pub(crate) fn config(limits: &ServerLimits) -> Config {
    let mut config = compiling();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling(limits)));
    config
}

/// What code is made with, wherever that is. Nothing is reserved for instances: the pool is no part of the code, and takes more
/// address space than a process has that only compiles.
///
/// Concurrency support is off: 0.2 guests have no async ABI, and its bookkeeping took a third of the throughput of a
/// warm hello (13k against 20k requests per second).
pub(crate) fn compiling() -> Config {
    let mut config = Config::new();
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK);
    config.async_stack_size(FIBER_STACK);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.generate_address_map(true);
    config.shared_memory(false);
    config
}

/// For a component that runs once, in a process with little address space: its memories take what they have and no more, at
/// the cost of a check at each access.
pub(crate) fn once() -> Config {
    let mut config = compiling();
    config.memory_reservation(0);
    config.memory_guard_size(0);
    config.memory_reservation_for_growth(GROWTH);
    config.memory_init_cow(false);
    config
}

/// The pool's totals are the server's: what is past them is [`Outcome::Exhausted`](crate::Outcome::Exhausted). Each world has a
/// pool of its own.
pub(crate) fn pooling(limits: &ServerLimits) -> PoolingAllocationConfig {
    let instances = limits.instances_total;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(32)
        .max_memories_per_component(4)
        .max_tables_per_component(16)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(usize::try_from(limits.memory.0).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(limits.table_elements).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .async_stack_keep_resident(0)
        .table_keep_resident(4 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}
