//! Counts what an instance takes of memory, wherever that is: its linear memories and tables, its tensors on the host, and what
//! the host holds of its bytes otherwise. Growth past the limits is refused.

use wasmtime::ResourceLimiter;

use crate::outcome::FaultKind;
use crate::state::GuestState;

/// What one element of a table takes, in bytes.
pub(crate) const ELEMENT_BYTES: u64 = 8;

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

/// What an instance may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    /// Bytes, of all kinds together.
    pub(crate) memory: u64,
    /// Elements of all tables.
    pub(crate) table: u64,
    /// Bytes of tensors on the host, which are part of `memory`, too.
    pub(crate) tensors: u64,
}

/// The account of one store. Growth past it is refused the way WebAssembly has for it (`memory.grow` gives -1), and
/// remembered: an allocator that gets no memory aborts, and the abort alone would not tell why.
pub(crate) struct Limiter {
    allowed: Allowed,
    linear: u64,
    /// Elements.
    table: u64,
    tensors: u64,
    /// Headers, bodies and lines that the host holds: never less than there is. See [`GuestState::hold`].
    held: u64,
    refused: Option<OverLimit>,
}

impl Limiter {
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self { allowed, linear: 0, table: 0, tensors: 0, held: 0, refused: None }
    }

    /// The limit that was reached since the last call, if any.
    pub(crate) fn take_refused(&mut self) -> Option<OverLimit> {
        self.refused.take()
    }

    /// Bytes that the instance has while it rests.
    pub(crate) fn resting(&self) -> u64 {
        self.linear.saturating_add(self.table.saturating_mul(ELEMENT_BYTES)).saturating_add(self.tensors)
    }

    /// Bytes that it may still take.
    pub(crate) fn left(&self) -> u64 {
        self.allowed.memory.saturating_sub(self.resting()).saturating_sub(self.held)
    }

    /// What the host holds is known anew.
    pub(crate) fn set_held(&mut self, bytes: u64) {
        self.held = bytes;
    }

    /// The host is about to hold more. `false`: that would be too much.
    pub(crate) fn hold(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.left();
        if fits {
            self.held += bytes;
        }
        fits
    }

    /// Takes bytes of a tensor from the account before they are allocated.
    ///
    /// # Errors
    /// When they are over the limit of tensors alone.
    fn charge(&mut self, bytes: u64) -> Result<bool, OverLimit> {
        if self.tensors.checked_add(bytes).is_none_or(|sum| sum > self.allowed.tensors) {
            let limit = format!("{} bytes", self.allowed.tensors);
            return Err(OverLimit { kind: FaultKind::Tensor, what: "tensor memory", limit });
        }
        let fits = bytes <= self.left();
        if fits {
            self.tensors += bytes;
        }
        Ok(fits)
    }

    /// Gives back what a dropped tensor took.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.tensors = self.tensors.saturating_sub(bytes);
    }

    /// `false`: that would be too much.
    fn grow_memory(&mut self, current: usize, desired: usize) -> bool {
        let fits = more(current, desired).filter(|bytes| *bytes <= self.left());
        self.linear += fits.unwrap_or(0);
        fits.is_some()
    }

    fn grow_table(&mut self, current: usize, desired: usize) -> Result<bool, OverLimit> {
        let Some(elements) = more(current, desired) else { return Ok(false) };
        if self.table.checked_add(elements).is_none_or(|sum| sum > self.allowed.table) {
            let limit = format!("{} elements", self.allowed.table);
            return Err(OverLimit { kind: FaultKind::Table, what: "table elements", limit });
        }
        let fits = elements.saturating_mul(ELEMENT_BYTES) <= self.left();
        if fits {
            self.table += elements;
        }
        Ok(fits)
    }

    pub(crate) fn over_memory(&self) -> OverLimit {
        OverLimit { kind: FaultKind::Memory, what: "memory", limit: format!("{} bytes", self.allowed.memory) }
    }
}

fn more(current: usize, desired: usize) -> Option<u64> {
    u64::try_from(desired.checked_sub(current)?).ok()
}

impl GuestState {
    /// Takes bytes of a tensor from the instance's account before they are allocated.
    ///
    /// # Errors
    /// When it has not so many left.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), OverLimit> {
        let fits = self.limiter.charge(bytes)? || (self.count_held() && self.limiter.charge(bytes)?);
        if fits { Ok(()) } else { Err(self.limiter.over_memory()) }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let fits = self.grow_memory(current, desired);
        if !fits {
            self.refused = Some(self.over_memory());
        }
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        match self.grow_table(current, desired) {
            Ok(true) => return Ok(true),
            Ok(false) => self.refused = Some(self.over_memory()),
            Err(over) => self.refused = Some(over),
        }
        Ok(false)
    }
}

impl ResourceLimiter for GuestState {
    fn memory_growing(&mut self, current: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        if self.limiter.grow_memory(current, desired) {
            return Ok(true);
        }
        self.count_held();
        self.limiter.memory_growing(current, desired, max)
    }

    fn table_growing(&mut self, current: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        self.limiter.table_growing(current, desired, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(Allowed { memory: 200, table: 10, tensors: 60 })
    }

    #[test]
    fn all_kinds_of_memory_count_together() {
        let mut limiter = limiter();
        assert!(limiter.grow_memory(0, 60) && limiter.grow_memory(0, 20), "two memories");
        assert!(limiter.grow_table(0, 5).unwrap());
        assert!(limiter.charge(40).unwrap());
        assert!(limiter.hold(30));
        assert_eq!((limiter.resting(), limiter.left()), (160, 10));
        assert!(!limiter.grow_memory(60, 71) && !limiter.hold(11) && !limiter.charge(11).unwrap());
        assert!(!limiter.grow_table(5, 7).unwrap());
        assert_eq!(limiter.left(), 10, "what is refused takes nothing");
        limiter.release(40);
        limiter.set_held(0);
        assert!(limiter.grow_memory(60, 140));
        assert_eq!(limiter.left(), 0);
    }

    #[test]
    fn tables_and_tensors_have_limits_of_their_own_as_well() {
        let mut limiter = limiter();
        assert!(limiter.grow_table(0, 10).unwrap());
        assert_eq!(limiter.grow_table(10, 11).unwrap_err().kind, FaultKind::Table);
        assert!(limiter.charge(60).unwrap());
        assert_eq!(limiter.charge(1).unwrap_err().kind, FaultKind::Tensor);
        assert_eq!(limiter.charge(u64::MAX).unwrap_err().kind, FaultKind::Tensor);
        assert!(!limiter.hold(u64::MAX));
    }
}
