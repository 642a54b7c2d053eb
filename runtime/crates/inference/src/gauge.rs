//! Measures what a load takes.
//!
//! ONNX Runtime tells no session's memory, only the arena's. So what a session takes is what the arena has in use after its
//! load less what it had before. That is exact only if nothing else ran or was loaded meanwhile; if something did, the figure is
//! kept within what such a file can take at most.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use modelet_spec::Device;

use crate::runtime::Shared;

/// One session's part of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// Of the arena.
    pub(crate) arena: u64,
    /// What the process grew by.
    pub(crate) resident_delta: i64,
    /// Nothing else ran or was loaded meanwhile.
    pub(crate) is_exact: bool,
}

/// Loads of the whole runtime.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    begun: AtomicU64,
    current: AtomicUsize,
}

/// What the memory was before a load.
pub(crate) struct Gauge<'a> {
    shared: &'a Shared,
    arena: Option<u64>,
    resident: u64,
    runs: u64,
    begun: u64,
    is_alone: bool,
}

impl<'a> Gauge<'a> {
    /// A load begins.
    pub(crate) fn read(shared: &'a Shared) -> Self {
        let loading = &shared.loading;
        let is_alone = loading.current.fetch_add(1, SeqCst) == 0 && shared.is_at_rest();
        Self {
            shared,
            arena: shared.environment.arena_in_use(),
            resident: resident_bytes().unwrap_or(0),
            runs: shared.runs.load(SeqCst),
            begun: loading.begun.fetch_add(1, SeqCst) + 1,
            is_alone,
        }
    }

    /// The load is over: what it took of `device`. `file` is the size of what was loaded, in bytes.
    pub(crate) fn measure(self, device: Device, file: u64) -> Part {
        let part = self.measure_cpu(file);
        // The arena that was measured is the CPU's. A device's weights are about what the file has.
        if device.is_cpu() { part } else { Part { arena: file, is_exact: false, ..part } }
    }

    fn measure_cpu(self, file: u64) -> Part {
        let shared = self.shared;
        let after = shared.environment.arena_in_use();
        let is_alone = self.is_alone
            && shared.is_at_rest()
            && shared.runs.load(SeqCst) == self.runs
            && shared.loading.begun.load(SeqCst) == self.begun;
        let grown = after.zip(self.arena).map(|(after, before)| after.saturating_sub(before));
        // Four times for int8 weights that are unpacked to f32, half as much again for packed copies, and something small.
        let most = file.saturating_mul(6).saturating_add(1 << 20);
        let arena = grown.map_or(file, |grown| if is_alone { grown } else { grown.min(most) });
        let resident_delta = resident_bytes().unwrap_or(0).cast_signed().saturating_sub(self.resident.cast_signed());
        Part { arena, resident_delta, is_exact: is_alone && grown.is_some() }
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.shared.loading.current.fetch_sub(1, SeqCst);
    }
}

/// What this process has in RAM, mapped files included, in bytes. `None`: the system does not say.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}
