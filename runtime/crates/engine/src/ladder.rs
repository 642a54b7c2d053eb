//! Which function versions are in memory, and who goes: the bounds of the ladder of warmth (decision 0015).
//!
//! The cache is never asked on the way of a request. A function has its pool at hand, and the keeper tells the cache a few times
//! a second which pools were used; the cache says which go, by time or by weight, and a pool that goes empties its function's seat.
//! The cache has tickets, not pools: what it drops, it drops when it likes, and a component's memory goes when nobody uses it. What
//! is kept warm on purpose stands beside the cache.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::keeper::ROUND;
use crate::pool::Pool;
use crate::ports::Pressure;

/// All pools.
pub(crate) struct Ladder {
    /// By the pool's number. LRU: the cleverer policies may refuse what has just come, which here is a function that is asked.
    cache: Cache<u64, Ticket>,
    kept: Mutex<HashMap<u64, Weak<Pool>>>,
    capacity_kib: u64,
    idle: Duration,
    gone: Arc<Gone>,
}

/// A pool in the cache, with its weight when it was put there.
#[derive(Clone)]
struct Ticket {
    pool: Weak<Pool>,
    kib: u32,
}

/// How many pools went, and why.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) idle: AtomicU64,
    pub(crate) room: AtomicU64,
    pub(crate) pressure: AtomicU64,
}

impl Ladder {
    /// Room for `capacity` bytes; a pool goes when nobody has used it for `idle`.
    pub(crate) fn new(capacity: u64, idle: Duration) -> Self {
        let capacity_kib = capacity / 1024;
        // Less than two rounds of the keeper would let go of what is in use.
        let idle = idle.max(2 * ROUND);
        let gone = Arc::new(Gone::default());
        let counts = Arc::clone(&gone);
        let cache = Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .max_capacity(capacity_kib)
            .weigher(|_, ticket: &Ticket| ticket.kib)
            .time_to_idle(idle)
            .eviction_listener(move |_, ticket: Ticket, cause| counts.went(&ticket, cause))
            .build();
        Self { cache, kept: Mutex::default(), capacity_kib, idle, gone }
    }

    /// A pool has come.
    pub(crate) fn hold(&self, pool: &Arc<Pool>) {
        pool.weigh();
        self.insert(pool);
    }

    /// From now on so many instances of a pool are kept warm, and the pool with them; none: it is one like all others.
    /// `false`: it has gone meanwhile.
    pub(crate) fn keep(&self, pool: &Arc<Pool>, min: u32) -> bool {
        if !pool.warm.keep(min) {
            return false;
        }
        if min > 0 {
            self.kept().insert(pool.id, Arc::downgrade(pool));
            self.cache.invalidate(&pool.id);
        } else if self.kept().remove(&pool.id).is_some() {
            self.hold(pool);
        }
        true
    }

    /// The instances of all other functions that are kept warm.
    pub(crate) fn kept_beside(&self, pool: &Pool) -> u64 {
        let others = self.all_kept().into_iter().filter(|kept| kept.id != pool.id);
        others.map(|kept| kept.warm.min() as u64).sum()
    }

    /// A function is gone.
    pub(crate) fn let_go(&self, pool: &Arc<Pool>) {
        pool.warm.keep(0);
        pool.retire();
        self.kept().remove(&pool.id);
        self.cache.invalidate(&pool.id);
    }

    /// Goes once through all pools. Returns whether there are any, and those that have fewer instances than are to be kept.
    pub(crate) fn round(&self, now: Instant, pressure: Pressure) -> (bool, Vec<Arc<Pool>>) {
        for pool in self.all_cached() {
            pool.sweep(now, pressure);
            self.tell(&pool, now, pressure);
        }
        self.cache.run_pending_tasks();
        let kept = self.all_kept();
        kept.iter().for_each(|pool| pool.sweep(now, pressure));
        let is_any = !kept.is_empty() || self.cache.entry_count() > 0;
        (is_any, kept.into_iter().filter(|pool| pool.missing(pool.warm.min()) > pool.busy()).collect())
    }

    /// Lets go of some instances that have been idle longest, of whatever function. Returns whether there were any.
    pub(crate) fn make_room(&self, instances: usize) -> bool {
        let pools = self.all_cached().into_iter().chain(self.all_kept());
        let mut oldest: Vec<(Instant, Arc<Pool>)> =
            pools.filter_map(|pool| Some((pool.warm.oldest()?, pool))).collect();
        oldest.sort_by_key(|(since, _)| *since);
        let mut left = instances;
        for (_, pool) in oldest {
            // Half of a pool's at most, or one: the next pool's oldest may be as old.
            let some = pool.warm.len().div_ceil(2).min(left);
            left = left.saturating_sub(pool.warm.shed(some).len());
            if left == 0 {
                break;
            }
        }
        left < instances
    }

    /// Pools in memory, their weight in bytes, and what they may weigh. Those that are kept warm on purpose are counted, not bound.
    pub(crate) fn stats(&self) -> (u64, u64, u64) {
        // Its own counts are as of its last turn of work.
        self.cache.run_pending_tasks();
        let kept = self.all_kept();
        let kept_kib: u64 = kept.iter().map(|pool| u64::from(pool.weight_kib())).sum();
        let pools = self.cache.entry_count() + kept.len() as u64;
        (pools, (self.cache.weighted_size() + kept_kib) * 1024, self.capacity_kib * 1024)
    }

    /// How many went.
    pub(crate) fn gone(&self) -> &Gone {
        &self.gone
    }

    /// Tells the cache what became of a pool since the last round; lets it go when memory is short.
    fn tell(&self, pool: &Arc<Pool>, now: Instant, pressure: Pressure) {
        let is_in_use = pool.is_in_use(now, self.idle);
        if self.is_too_much(pool, now, pressure) && pool.retire() {
            self.gone.pressure.fetch_add(1, Ordering::Relaxed);
        }
        if is_elsewhere(pool) {
            return self.cache.invalidate(&pool.id);
        }
        if is_in_use {
            let _ = self.cache.get(&pool.id);
        }
        // The same value again, to be weighed again. It counts as a use: what gains weight was used, and what loses an instance
        // by idleness stays from there on for its idle time.
        if pool.weigh() {
            self.insert(pool);
        }
    }

    /// Whether a pool without an instance has stayed for as long as the shortness of memory allows.
    fn is_too_much(&self, pool: &Pool, now: Instant, pressure: Pressure) -> bool {
        let allowed = match pressure {
            Pressure::None => return false,
            Pressure::High => self.idle / 10,
            Pressure::Critical => Duration::ZERO,
        };
        pool.busy() == 0 && pool.warm.len() == 0 && pool.rested(now) >= allowed
    }

    fn insert(&self, pool: &Arc<Pool>) {
        self.cache.insert(pool.id, Ticket { pool: Arc::downgrade(pool), kib: pool.weight_kib() });
        // Whoever took it out of the cache meanwhile did so before it was put there.
        if is_elsewhere(pool) {
            self.cache.invalidate(&pool.id);
        }
    }

    fn all_cached(&self) -> Vec<Arc<Pool>> {
        self.cache.iter().filter_map(|(_, ticket)| ticket.pool.upgrade()).collect()
    }

    fn all_kept(&self) -> Vec<Arc<Pool>> {
        self.kept().values().filter_map(Weak::upgrade).collect()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Weak<Pool>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a pool is none of the cache's: it has gone, or is kept on purpose.
fn is_elsewhere(pool: &Pool) -> bool {
    pool.warm.is_closed() || pool.warm.min() > 0
}

impl Gone {
    /// The cache has let go of a pool.
    fn went(&self, ticket: &Ticket, cause: RemovalCause) {
        let count = match cause {
            // Weighed again, or taken out by whoever has seen to the pool already.
            RemovalCause::Replaced | RemovalCause::Explicit => return,
            RemovalCause::Expired => &self.idle,
            RemovalCause::Size => &self.room,
        };
        if ticket.pool.upgrade().is_some_and(|pool| pool.retire()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
