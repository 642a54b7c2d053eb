//! What functions use: the data plane adds it up where requests end, and whoever keeps the books reads it now and then.
//!
//! A request pays a few relaxed additions in one line of memory that only its function's version has. Nothing is sent and nothing
//! can be full, so nothing is dropped; what was not read when the process dies is lost.

use modelet_spec::{FunctionName, TenantName, UsageCounts, Used, UsedKind, Version};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::gate::Gate;

/// What one function's version has used since somebody first called it. The numbers only grow.
#[derive(Debug, Default)]
pub struct FunctionUse {
    requests: AtomicU64,
    unanswered: AtomicU64,
    refused: AtomicU64,
    cpu_ns: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// What somebody counts in, and whose use it is.
#[derive(Debug)]
pub struct Opened {
    /// Whose, and of what.
    pub used: Used,
    /// Where it is counted.
    pub counts: Arc<FunctionUse>,
}

/// Where the use of all functions is counted, shared by both planes.
#[derive(Debug, Default)]
pub struct Usage {
    /// Those that whoever keeps the books has not taken yet.
    opened: Mutex<Vec<Opened>>,
    gates: Mutex<HashMap<TenantName, Arc<Gate>>>,
}

impl FunctionUse {
    /// A request has ended; `is_answered`: by the function itself.
    pub fn request(&self, is_answered: bool) {
        self.requests.fetch_add(1, Relaxed);
        if !is_answered {
            self.unanswered.fetch_add(1, Relaxed);
        }
    }

    /// No guest saw a request.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Guests were on a processor.
    pub fn computed(&self, time: Duration) {
        self.cpu_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Bytes of bodies went in and out.
    pub fn bytes(&self, received: u64, sent: u64) {
        if received > 0 {
            self.bytes_in.fetch_add(received, Relaxed);
        }
        if sent > 0 {
            self.bytes_out.fetch_add(sent, Relaxed);
        }
    }

    /// All so far.
    #[must_use]
    pub fn read(&self) -> UsageCounts {
        UsageCounts {
            requests: self.requests.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            refused: self.refused.load(Relaxed),
            // Of a sum that only grows, so what is cut off here comes with the next reading.
            cpu_us: self.cpu_ns.load(Relaxed) / 1000,
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            ..UsageCounts::default()
        }
    }
}

impl Usage {
    /// Somebody will count for a version: called when it is first asked for, not for each request.
    pub fn open(&self, tenant: &TenantName, function: &FunctionName, version: Version) -> Arc<FunctionUse> {
        let counts = Arc::<FunctionUse>::default();
        let used = Used {
            tenant: tenant.clone(),
            kind: UsedKind::Function,
            name: function.to_string(),
            part: version.to_string(),
        };
        let opened = Opened { used, counts: Arc::clone(&counts) };
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(opened);
        counts
    }

    /// Whether a tenant has used up what it may in a day.
    pub fn gate(&self, tenant: &TenantName) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(tenant) {
            return Arc::clone(gate);
        }
        Arc::clone(gates.entry(tenant.clone()).or_default())
    }

    /// Looks at the gates of all tenants; those for which it says `false` are forgotten.
    pub fn each_gate(&self, mut set: impl FnMut(&TenantName, &Gate) -> bool) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|tenant, gate| set(tenant, gate));
    }

    /// Those that were opened since this was last asked. Whoever takes one has the only other hold of it when its function is gone.
    #[must_use]
    pub fn take_opened(&self) -> Vec<Opened> {
        std::mem::take(&mut self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_read_and_told_once() {
        let usage = Usage::default();
        let counts = usage.open(&TenantName::default_tenant(), &"f".parse().unwrap(), Version::FIRST);
        let opened = usage.take_opened();
        assert!(usage.take_opened().is_empty());
        assert_eq!((opened[0].used.name.as_str(), opened[0].used.part.as_str()), ("f", "1"));
        counts.request(true);
        counts.request(false);
        counts.refused();
        counts.bytes(3, 0);
        counts.bytes(0, 5);
        (0..3).for_each(|_| counts.computed(Duration::from_nanos(700)));
        drop(counts);
        assert_eq!(Arc::strong_count(&opened[0].counts), 1);
        let read = opened[0].counts.read();
        assert_eq!(read.to_fields(), [2, 1, 1, 2, 3, 5, 0, 0, 0], "no part of a microsecond is counted twice");
    }
}
