//! The last lines that functions wrote, in memory: what `modelet logs` shows. The server's own log has them, too, and keeps them.
//!
//! Each function has a ring of its own, over all its versions, so that one who writes much does not push out another's
//! lines. All rings together have a limit as well: at it, the ring that was quiet for longest is emptied.

mod ring;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelet_spec::{FunctionName, TenantName};

use crate::wire::LogLine;
pub(crate) use ring::Ring;

/// What all rings hold together, in bytes of lines: a quarter of a MiB for each of 256 busy functions.
const TOTAL_BYTES_MAX: usize = 64 << 20;

/// All rings.
#[derive(Debug, Default)]
pub(crate) struct LogShelf {
    rings: Mutex<HashMap<(TenantName, FunctionName), Arc<Ring>>>,
    bytes: AtomicUsize,
    /// Counts lines of all functions: says which ring was quiet for longest.
    clock: AtomicU64,
}

impl LogShelf {
    /// A function's ring; an empty one takes no memory for lines.
    pub(crate) fn ring(&self, tenant: &TenantName, function: &FunctionName) -> Arc<Ring> {
        Arc::clone(self.lock().entry((tenant.clone(), function.clone())).or_default())
    }

    /// The functions whose lines were dropped, with the bytes of them.
    pub(crate) fn dropped(&self) -> Vec<(TenantName, FunctionName, u64)> {
        let of = |((tenant, function), ring): (&(TenantName, FunctionName), &Arc<Ring>)| {
            (tenant.clone(), function.clone(), ring.dropped_bytes())
        };
        self.lock().iter().filter(|(_, ring)| ring.dropped_bytes() > 0).map(of).collect()
    }

    /// Forgets a function that was removed. What still writes writes into a ring that nobody reads.
    pub(crate) fn forget(&self, tenant: &TenantName, function: &FunctionName) {
        if let Some(ring) = self.lock().remove(&(tenant.clone(), function.clone())) {
            self.bytes.fetch_sub(ring.clear(), Ordering::Relaxed);
        }
    }

    /// Keeps a line in a ring of this shelf. Called on the executor's thread: it takes no lock that is held for long.
    pub(crate) fn keep(&self, ring: &Ring, line: LogLine) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let (added, dropped) = ring.push(line, now);
        let before = self.bytes.fetch_add(added, Ordering::Relaxed);
        self.bytes.fetch_sub(dropped, Ordering::Relaxed);
        if before.saturating_add(added).saturating_sub(dropped) > TOTAL_BYTES_MAX {
            self.empty_quietest(ring);
        }
    }

    /// Forgets the lines of a tenant's functions.
    pub(crate) fn forget_tenant(&self, tenant: &TenantName) {
        self.lock().retain(|(owner, _), ring| {
            let stays = owner != tenant;
            if !stays {
                self.bytes.fetch_sub(ring.clear(), Ordering::Relaxed);
            }
            stays
        });
    }

    /// Rare: only when so many functions write so much.
    fn empty_quietest(&self, busy: &Ring) {
        let rings = self.lock();
        let others = rings.values().filter(|ring| !std::ptr::eq(Arc::as_ptr(ring), busy) && ring.holds_lines());
        if let Some(quietest) = others.min_by_key(|ring| ring.last()) {
            self.bytes.fetch_sub(quietest.clear(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantName, FunctionName), Arc<Ring>>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::{InvocationId, Version};

    fn line(text: &str) -> LogLine {
        let invocation = InvocationId::new(1);
        LogLine {
            seq: 0,
            time_ms: 0,
            version: Version::FIRST,
            invocation,
            stream: "stdout".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn at_the_limit_of_all_the_quietest_ring_is_emptied_and_no_other() {
        let shelf = LogShelf::default();
        let tenant = TenantName::default_tenant();
        let text = "x".repeat(8000);
        let rings: Vec<Arc<Ring>> = (0..260).map(|n| shelf.ring(&tenant, &format!("f{n}").parse().unwrap())).collect();
        for ring in &rings {
            (0..40).for_each(|_| shelf.keep(ring, line(&text)));
        }
        assert!(shelf.bytes.load(Ordering::Relaxed) <= TOTAL_BYTES_MAX);
        assert!(!rings[0].holds_lines(), "the first one wrote longest ago");
        assert!(rings[259].holds_lines() && rings[200].holds_lines());
    }
}
