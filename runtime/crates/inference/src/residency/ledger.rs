//! The bytes that models take on a device, from before they are loaded until they are gone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use modelet_spec::Device;

/// One device's account.
#[derive(Debug)]
pub(crate) struct Ledger {
    device: Device,
    budget: u64,
    taken: AtomicU64,
    /// Told when a charge goes.
    freed: Condvar,
    waiting: Mutex<()>,
}

/// Bytes on a device's account; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Charge {
    ledger: Arc<Ledger>,
    bytes: AtomicU64,
}

impl Ledger {
    pub(crate) fn new(device: Device, budget: u64) -> Arc<Self> {
        Arc::new(Self { device, budget, taken: AtomicU64::new(0), freed: Condvar::new(), waiting: Mutex::default() })
    }

    pub(super) fn device(&self) -> Device {
        self.device
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    pub(super) fn free(&self) -> u64 {
        self.budget.saturating_sub(self.taken())
    }

    /// Takes `bytes`, if they are free.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<Charge> {
        self.add(bytes).then(|| Charge { ledger: Arc::clone(self), bytes: AtomicU64::new(bytes) })
    }

    /// Waits until a charge goes, or for `time`.
    pub(super) fn wait(&self, time: Duration) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.freed.wait_timeout(waiting, time).unwrap_or_else(PoisonError::into_inner));
    }

    fn add(&self, bytes: u64) -> bool {
        let sum = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.budget);
        self.taken.fetch_update(Relaxed, Relaxed, sum).is_ok()
    }

    fn sub(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Relaxed);
        self.freed.notify_all();
    }
}

impl Charge {
    /// Whose account it is on.
    pub(crate) fn device(&self) -> Device {
        self.ledger.device
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Makes it `bytes`: less always, more if there is room.
    pub(crate) fn resize(&self, bytes: u64) -> bool {
        let now = self.bytes();
        if bytes > now {
            return self.grow(bytes - now);
        }
        self.shrink(now - bytes);
        true
    }

    /// `more` bytes, if they are free.
    pub(crate) fn grow(&self, more: u64) -> bool {
        let has_room = self.ledger.add(more);
        if has_room {
            self.bytes.fetch_add(more, Relaxed);
        }
        has_room
    }

    /// Gives `less` bytes back.
    pub(crate) fn shrink(&self, less: u64) {
        self.bytes.fetch_sub(less, Relaxed);
        self.ledger.sub(less);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.sub(self.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_up_to_the_budget_and_come_back() {
        let ledger = Ledger::new(Device::Cuda(0), 100);
        let charge = ledger.take(60).unwrap();
        assert_eq!(charge.device(), Device::Cuda(0));
        assert!(ledger.take(41).is_none() && ledger.take(u64::MAX).is_none());
        assert!(!charge.grow(41) && charge.grow(40));
        assert_eq!((ledger.taken(), ledger.free(), charge.bytes()), (100, 0, 100));
        assert!(charge.resize(10));
        assert_eq!(ledger.taken(), 10);
        assert!(charge.resize(90) && !charge.resize(101));
        drop(charge);
        assert_eq!(ledger.taken(), 0);
    }
}
