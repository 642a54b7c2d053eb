//! One function version in memory: its component, and the instances of it that are kept warm.
//!
//! A pool is retired once: its instances go, and the function forgets it. What still runs keeps the component until it ends.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use modelet_spec::manifest::Reuse;

use crate::function::Function;
use crate::instance::Instance;
use crate::linked::Linked;
use crate::metrics::Counters;
use crate::ports::Pressure;
use crate::shared::{Doors, Visit};
use crate::warm::{Terms, Warm};
use crate::world::World;

/// What one warm instance costs beside its linear memory, in bytes: its store, its tables, the host's own structures, and the
/// touched pages of its stack. An estimate; it only has to keep many small instances from weighing nothing.
const INSTANCE_BYTES: u64 = 128 << 10;

/// One function version in memory.
pub(crate) struct Pool {
    pub(crate) id: u64,
    pub(crate) linked: Arc<Linked>,
    pub(crate) warm: Warm<Box<Instance>>,
    /// Where requests go in if an instance answers several at a time.
    pub(crate) doors: Option<Arc<Doors<Visit>>>,
    seat: Weak<Seat>,
    function: Weak<Function>,
    /// Whether anybody came since the keeper last looked.
    used: AtomicBool,
    /// When the cache was last told of a use.
    told: Mutex<Instant>,
    /// Instances that are being made ahead.
    preparing: AtomicUsize,
    /// What it weighed when that was last told, in KiB.
    weighed_kib: AtomicU32,
}

/// Where a function finds its pool, and how many of its guests run.
#[derive(Default)]
pub(crate) struct Seat {
    pool: ArcSwapOption<Pool>,
    pub(crate) busy: AtomicUsize,
}

impl Seat {
    /// The pool, if the function is in memory.
    pub(crate) fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.load_full().filter(|pool| !pool.warm.is_closed())
    }

    pub(crate) fn sit(&self, pool: &Arc<Pool>) {
        self.pool.store(Some(Arc::clone(pool)));
    }

    /// Forgets this pool, unless another has come meanwhile.
    fn leave(&self, pool: &Pool) {
        let current = self.pool.load();
        if current.as_ref().is_some_and(|current| std::ptr::eq(Arc::as_ptr(current), pool)) {
            self.pool.compare_and_swap(&current, None);
        }
    }
}

impl Pool {
    /// `id` is given to no other pool, so that whoever finds an old one by it cannot mean a newer one.
    pub(crate) fn new(id: u64, function: &Arc<Function>, linked: Arc<Linked>, counters: Arc<Counters>) -> Self {
        let instances = &function.spec().instances;
        let terms = Terms { idle: instances.idle, max_age: instances.max_age, max_requests: instances.max_requests };
        let is_shared = linked.pre.world() == World::Service && instances.reuse == Reuse::Instance;
        let places = instances.requests;
        let doors = (is_shared && places > 1).then(|| Arc::new(Doors::new(places, function.spec().limits.concurrency)));
        Self {
            id,
            linked,
            warm: Warm::new(terms, counters),
            doors,
            seat: Arc::downgrade(function.seat()),
            function: Arc::downgrade(function),
            used: AtomicBool::new(true),
            told: Mutex::new(Instant::now()),
            preparing: AtomicUsize::new(0),
            weighed_kib: AtomicU32::new(0),
        }
    }

    /// A warm instance, for somebody who came.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        // Read first: all requests of a function share the line, and nearly always it is set already.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.warm.take()
    }

    /// Lets go of what has been idle for too long; sooner when memory is short.
    pub(crate) fn sweep(&self, now: Instant, pressure: Pressure) {
        let idle = match pressure {
            Pressure::None => self.warm.idle_max(),
            Pressure::High => self.warm.idle_max() / 10,
            Pressure::Critical => Duration::ZERO,
        };
        drop(self.warm.sweep(now, idle));
    }

    /// Whether the cache is to be told of a use: somebody came since this was last asked, or a guest runs. A warm instance that
    /// waits is one, too, but only before the cache would let the pool go, which is after `idle`: who came last stays last.
    pub(crate) fn is_in_use(&self, now: Instant, idle: Duration) -> bool {
        let came = self.used.swap(false, Ordering::Relaxed) || self.busy() > 0;
        let mut told = self.told();
        let is_due = now.saturating_duration_since(*told) >= idle / 2;
        let is_in_use = came || (is_due && self.warm.len() > 0);
        if is_in_use {
            *told = now;
        }
        is_in_use
    }

    /// How long ago the cache was last told of a use.
    pub(crate) fn rested(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.told())
    }

    fn told(&self) -> MutexGuard<'_, Instant> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of its guests run.
    pub(crate) fn busy(&self) -> usize {
        self.seat.upgrade().map_or(0, |seat| seat.busy.load(Ordering::Relaxed))
    }

    /// Lets everything go that nobody uses; its function is on the disk only. `false`: it had gone already, or is kept warm on
    /// purpose.
    pub(crate) fn retire(&self) -> bool {
        let was_closed = self.warm.is_closed();
        let Some(instances) = self.warm.close() else { return false };
        if let Some(seat) = self.seat.upgrade() {
            seat.leave(self);
        }
        drop(instances);
        !was_closed
    }

    /// The function whose pool it is.
    pub(crate) fn function(&self) -> Option<Arc<Function>> {
        self.function.upgrade()
    }

    /// How many more instances must be made so that `wanted` are ready, counting those that are being made.
    pub(crate) fn missing(&self, wanted: usize) -> usize {
        wanted.saturating_sub(self.warm.len()).saturating_sub(self.preparing.load(Ordering::Relaxed))
    }

    /// Somebody makes an instance ahead, until the guard is dropped.
    pub(crate) fn preparing(self: &Arc<Self>) -> Preparing {
        self.preparing.fetch_add(1, Ordering::Relaxed);
        Preparing(Arc::clone(self))
    }

    /// Weighs it; whether that has changed since it was last weighed.
    pub(crate) fn weigh(&self) -> bool {
        let (instances, memory) = self.warm.weight();
        let bytes = self.linked.code_bytes + memory + INSTANCE_BYTES.saturating_mul(instances as u64);
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        self.weighed_kib.swap(kib, Ordering::Relaxed) != kib
    }

    /// What it weighed last, in KiB.
    pub(crate) fn weight_kib(&self) -> u32 {
        self.weighed_kib.load(Ordering::Relaxed)
    }
}

/// An instance is being made ahead.
pub(crate) struct Preparing(Arc<Pool>);

impl Drop for Preparing {
    fn drop(&mut self) {
        self.0.preparing.fetch_sub(1, Ordering::Relaxed);
    }
}
