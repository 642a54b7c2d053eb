//! What is kept warm of one function version: last in, first out, so that the others age and go.
//!
//! Whoever takes something owns it alone until it is put back, so nothing is ever used by two. Whatever leaves is handed to the
//! caller: it is dropped outside of the lock, because a sandbox takes microseconds to go.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Counters;

/// What can be kept warm.
pub(crate) trait Keep {
    /// Bytes of linear memory.
    fn memory(&self) -> u64;
    /// When it was made.
    fn made(&self) -> Instant;
    /// How many requests it has served.
    fn served(&self) -> u32;
}

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Unused.
    pub(crate) idle: Duration,
    /// Altogether.
    pub(crate) max_age: Duration,
    /// Requests altogether.
    pub(crate) max_requests: u32,
}

/// The warm ones of one function version.
pub(crate) struct Warm<T> {
    idle: Mutex<Vec<Idle<T>>>,
    terms: Terms,
    /// So many stay although their idle time is over.
    min: AtomicU32,
    closed: AtomicBool,
    counters: Arc<Counters>,
}

struct Idle<T> {
    one: T,
    since: Instant,
    memory: u64,
}

impl<T: Keep> Warm<T> {
    pub(crate) fn new(terms: Terms, counters: Arc<Counters>) -> Self {
        let (min, closed) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { idle: Mutex::new(Vec::new()), terms, min, closed, counters }
    }

    /// The one that was used last.
    pub(crate) fn take(&self) -> Option<T> {
        let idle = self.lock().pop()?;
        Some(self.forget(idle))
    }

    /// Keeps one for the next request, or hands it back when it is to be kept no longer.
    pub(crate) fn put(&self, one: T, now: Instant) -> Result<(), T> {
        if self.is_over(&one, now) {
            return Err(one);
        }
        let memory = one.memory();
        let mut idle = self.lock();
        // Asked under the lock that `close` empties the list under: nothing is put into a list that nobody empties any more.
        if self.is_closed() {
            drop(idle);
            return Err(one);
        }
        self.counters.idle.fetch_add(1, Ordering::Relaxed);
        self.counters.idle_memory.fetch_add(memory, Ordering::Relaxed);
        idle.push(Idle { one, since: now, memory });
        Ok(())
    }

    /// Lets go of what has been idle for `idle`, but for those that are kept anyway, and of what is too old.
    pub(crate) fn sweep(&self, now: Instant, idle: Duration) -> Vec<T> {
        let mut list = self.lock();
        let old = list.iter().filter(|one| self.is_over(&one.one, now)).count();
        let mut spare = list.len().saturating_sub(old).saturating_sub(self.min());
        let is_over = |one: &mut Idle<T>| {
            if self.is_over(&one.one, now) {
                return true;
            }
            let is_idle = spare > 0 && now.saturating_duration_since(one.since) >= idle;
            spare = spare.saturating_sub(usize::from(is_idle));
            is_idle
        };
        let gone: Vec<Idle<T>> = list.extract_if(.., is_over).collect();
        drop(list);
        gone.into_iter().map(|one| self.forget(one)).collect()
    }

    /// Lets go of up to `most` of those that were idle longest, but for those that are kept anyway.
    pub(crate) fn shed(&self, most: usize) -> Vec<T> {
        let mut list = self.lock();
        let spare = list.len().saturating_sub(self.min()).min(most);
        let gone: Vec<Idle<T>> = list.drain(..spare).collect();
        drop(list);
        gone.into_iter().map(|one| self.forget(one)).collect()
    }

    /// Keeps nothing from now on, unless some are kept whether or not anybody uses them. What was kept is the caller's.
    pub(crate) fn close(&self) -> Option<Vec<T>> {
        let mut list = self.lock();
        if self.min() > 0 {
            return None;
        }
        self.closed.store(true, Ordering::Release);
        let gone = std::mem::take(&mut *list);
        drop(list);
        Some(gone.into_iter().map(|one| self.forget(one)).collect())
    }

    /// Whether nothing is kept any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How many are kept whether or not anybody uses them.
    pub(crate) fn min(&self) -> usize {
        usize::try_from(self.min.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// From now on, so many are kept whether or not anybody uses them. `false`: it is closed, and nothing is kept.
    pub(crate) fn keep(&self, min: u32) -> bool {
        // Under the lock that `close` asks under: either it finds the number, or this finds it closed.
        let _list = self.lock();
        self.min.store(min, Ordering::Relaxed);
        !self.is_closed()
    }

    /// How long one waits for the next request.
    pub(crate) fn idle_max(&self) -> Duration {
        self.terms.idle
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Since when the one waits that has waited longest and is not kept anyway.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let list = self.lock();
        if list.len() > self.min() { list.first().map(|one| one.since) } else { None }
    }

    /// How many wait, and their linear memory in bytes.
    pub(crate) fn weight(&self) -> (usize, u64) {
        let list = self.lock();
        (list.len(), list.iter().map(|one| one.memory).sum())
    }

    fn is_over(&self, one: &T, now: Instant) -> bool {
        one.served() >= self.terms.max_requests || now.saturating_duration_since(one.made()) >= self.terms.max_age
    }

    fn forget(&self, idle: Idle<T>) -> T {
        self.counters.idle.fetch_sub(1, Ordering::Relaxed);
        self.counters.idle_memory.fetch_sub(idle.memory, Ordering::Relaxed);
        idle.one
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle<T>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
