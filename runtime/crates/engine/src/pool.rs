//! The warm instances of one function version: last in, first out, so that the others age and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::instance::Instance;
use crate::metrics::Counters;

/// Warm instances of one function version.
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
    idle_max: Duration,
    closed: AtomicBool,
    counters: Arc<Counters>,
}

struct Idle {
    instance: Box<Instance>,
    since: Instant,
    memory: u64,
}

impl Pool {
    pub(crate) fn new(idle_max: Duration, counters: Arc<Counters>) -> Self {
        Self { idle: Mutex::new(Vec::new()), idle_max, closed: AtomicBool::new(false), counters }
    }

    /// The instance that was used last.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let idle = self.lock().pop()?;
        self.forget(&idle);
        Some(idle.instance)
    }

    /// Keeps an instance for the next request.
    pub(crate) fn put(&self, instance: Box<Instance>) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let memory = instance.memory();
        self.counters.idle.fetch_add(1, Ordering::Relaxed);
        self.counters.idle_memory.fetch_add(memory, Ordering::Relaxed);
        self.lock().push(Idle { instance, since: Instant::now(), memory });
        if self.closed.load(Ordering::Acquire) {
            self.clear();
        }
    }

    /// Lets go of what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        let expired: Vec<Idle> = {
            let mut idle = self.lock();
            // Pushed at the end, taken from the end: the oldest stand first.
            let kept = idle.partition_point(|one| now.duration_since(one.since) >= self.idle_max);
            idle.drain(..kept).collect()
        };
        expired.iter().for_each(|one| self.forget(one));
    }

    /// Lets go of every idle instance, for room elsewhere. Returns how many there were.
    pub(crate) fn clear(&self) -> usize {
        let all = std::mem::take(&mut *self.lock());
        all.iter().for_each(|one| self.forget(one));
        all.len()
    }

    /// Keeps nothing from now on: the function is gone.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.clear();
    }

    /// How many instances are idle.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn forget(&self, idle: &Idle) {
        self.counters.idle.fetch_sub(1, Ordering::Relaxed);
        self.counters.idle_memory.fetch_sub(idle.memory, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
