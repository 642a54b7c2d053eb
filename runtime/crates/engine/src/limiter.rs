//! Counts what an instance's linear memories and tables take, and refuses growth past the limits.

use crate::outcome::FaultKind;

/// An instance wanted more than it may have. Host functions return it as an error: it ends the guest.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the function needs more {what} than its limit of {limit}")]
pub(crate) struct OverLimit {
    pub(crate) kind: FaultKind,
    /// What it wanted, in the words of the manifest.
    pub(crate) what: &'static str,
    /// The limit with its unit.
    pub(crate) limit: String,
}

/// The limits of one store. Growth past them is refused the way WebAssembly has for it (`memory.grow` gives -1), and
/// remembered: an allocator that gets no memory aborts, and the abort alone would not tell why.
pub(crate) struct Limiter {
    memory_max: u64,
    memory: u64,
    table_max: u64,
    table: u64,
    refused: Option<OverLimit>,
}

impl Limiter {
    pub(crate) fn new(memory_max: u64, table_max: u64) -> Self {
        Self { memory_max, memory: 0, table_max, table: 0, refused: None }
    }

    /// The limit that was reached since the last call, if any.
    pub(crate) fn take_refused(&mut self) -> Option<OverLimit> {
        self.refused.take()
    }

    /// Bytes of linear memory that the instance has now.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }
}

/// `total` with one part of it grown from `current` to `desired`, if that stays within `max`.
fn grown(total: u64, current: usize, desired: usize, max: u64) -> Option<u64> {
    let more = u64::try_from(desired.checked_sub(current)?).ok()?;
    total.checked_add(more).filter(|sum| *sum <= max)
}

impl wasmtime::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        match grown(self.memory, current, desired, self.memory_max) {
            Some(sum) => self.memory = sum,
            None => {
                let limit = format!("{} bytes", self.memory_max);
                self.refused = Some(OverLimit { kind: FaultKind::Memory, what: "memory", limit });
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        match grown(self.table, current, desired, self.table_max) {
            Some(sum) => self.table = sum,
            None => {
                let limit = format!("{} elements", self.table_max);
                self.refused = Some(OverLimit { kind: FaultKind::Table, what: "table elements", limit });
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::ResourceLimiter;

    #[test]
    fn all_memories_count_together() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert_eq!(limiter.take_refused().unwrap().kind, FaultKind::Memory);
        assert!(limiter.take_refused().is_none());
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert_eq!(limiter.memory(), 100);
    }

    #[test]
    fn tables_have_their_own_count() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.table_growing(10, 11, None).unwrap());
        assert_eq!(limiter.take_refused().unwrap().kind, FaultKind::Table);
    }
}
