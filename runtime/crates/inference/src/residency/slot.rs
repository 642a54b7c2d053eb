//! The place of one model: in memory or not, and what the slow path knows of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use modelet_spec::Device;

use super::flight::{Flight, Loader};
use super::key::ModelKey;
use super::seen::Seen;
use crate::error::LoadError;
use crate::model::Model;

/// What the fast path touches.
pub(super) struct Slot {
    pub(super) key: ModelKey,
    /// The one long-lived hold on the model.
    pub(super) loaded: ArcSwapOption<Model>,
    /// How often it has been loaded.
    pub(super) generation: AtomicU64,
    /// Its last use by anybody, in milliseconds since `opened`.
    pub(super) used_ms: AtomicU64,
    /// What the last load took, in nanoseconds.
    pub(super) load_ns: AtomicU64,
    /// Handles that want it to stay.
    pub(super) pins: AtomicUsize,
    opened: Instant,
}

impl Slot {
    pub(super) fn new(key: ModelKey, opened: Instant) -> Self {
        Self {
            key,
            loaded: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            used_ms: AtomicU64::new(0),
            load_ns: AtomicU64::new(0),
            pins: AtomicUsize::new(0),
            opened,
        }
    }

    /// Milliseconds since the residency was opened.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn load_time(&self) -> Duration {
        Duration::from_nanos(self.load_ns.load(Relaxed))
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pins.load(Relaxed) > 0
    }

    /// The device whose account it is on.
    pub(super) fn device(&self) -> Option<Device> {
        self.loaded.load().as_ref()?.charged_to()
    }

    /// Whether it is in memory and nobody but the slot holds it: no run, no call that waits.
    pub(super) fn is_unused(&self) -> bool {
        self.loaded.load().as_ref().is_some_and(|model| Arc::strong_count(model) == 1)
    }
}

/// What the slow path knows of a slot, under the residency's lock.
pub(super) struct Entry {
    pub(super) slot: Arc<Slot>,
    pub(super) loader: Arc<dyn Loader>,
    pub(super) stage: Stage,
    /// The copy that was let go. While it lives (somebody finishes a call on it), loading would make a second one.
    pub(super) leaving: Weak<Model>,
    /// Its handles.
    pub(super) seen: Vec<Weak<Seen>>,
    /// What its last load on each device was measured to take.
    pub(super) measured: BTreeMap<Device, u64>,
    /// Loads that failed since the last that did not.
    pub(super) failures: u32,
}

/// Where a model is.
pub(super) enum Stage {
    /// Not in memory.
    Away,
    /// Asked for.
    Loading(Flight),
    /// In memory.
    Here,
    /// Its load failed; nobody tries again before `until`.
    Failed {
        /// The end of the back-off.
        until: Instant,
        /// What each caller is told meanwhile.
        why: LoadError,
    },
}

/// What became of an unload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unload {
    /// It goes, as soon as the calls that are in progress have ended.
    Done,
    /// It was not in memory.
    NotHere,
    /// It is pinned, and force was not asked for.
    Pinned,
}

impl Entry {
    pub(super) fn new(slot: Arc<Slot>, loader: Arc<dyn Loader>) -> Self {
        let (stage, leaving, seen) = (Stage::Away, Weak::new(), Vec::new());
        Self { slot, loader, stage, leaving, seen, measured: BTreeMap::new(), failures: 0 }
    }

    /// Lets the model go, if nobody uses it. To be dropped without the lock.
    pub(super) fn let_go_unused(&mut self) -> Option<Arc<Model>> {
        if !self.slot.is_unused() {
            return None;
        }
        let model = self.slot.loaded.swap(None)?;
        // The count is exact now: the swap has paid what readers in the middle of the fast path owe. One of them was quicker.
        if Arc::strong_count(&model) > 1 {
            self.slot.loaded.store(Some(model));
            return None;
        }
        self.gone(&model);
        Some(model)
    }

    /// Lets the model go, whoever uses it: they finish on the copy that they have.
    pub(super) fn let_go(&mut self) -> Option<Arc<Model>> {
        let model = self.slot.loaded.swap(None)?;
        self.gone(&model);
        Some(model)
    }

    /// The copy that was let go, if it still lives: it stays.
    pub(super) fn take_back(&mut self) -> Option<Arc<Model>> {
        let model = self.leaving.upgrade()?;
        self.slot.loaded.store(Some(Arc::clone(&model)));
        self.stage = Stage::Here;
        Some(model)
    }

    /// Nobody can ask for it, and nothing is left of it.
    pub(super) fn is_over(&mut self) -> bool {
        self.seen.retain(|seen| seen.strong_count() > 0);
        let is_away = matches!(self.stage, Stage::Away | Stage::Failed { .. });
        self.seen.is_empty() && is_away && self.leaving.strong_count() == 0
    }

    fn gone(&mut self, model: &Arc<Model>) {
        self.stage = Stage::Away;
        self.leaving = Arc::downgrade(model);
    }
}
