//! All models of a server: handles are made here, and the slow path begins here.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use modelet_spec::Device;

use super::config::ResidencyConfig;
use super::flight::{Flight, FlightId, Loader};
use super::handle::{Asked, ModelHandle};
use super::jobs::Jobs;
use super::key::ModelKey;
use super::ledger::Ledger;
use super::seen::Seen;
use super::slot::{Entry, Slot, Stage, Unload};
use super::{loading, sweep};
use crate::model::Model;
use crate::onnx::ffi::Inside;
use crate::runtime::Runtime;

/// Which models are in memory. Clones are the same one; its threads end with the last clone and the last handle.
#[derive(Clone)]
pub struct Residency {
    pub(super) inner: Arc<Inner>,
}

/// What it holds now, and what it has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResidencyStats {
    /// By device.
    pub devices: BTreeMap<Device, DeviceStats>,
    /// Loads that came to an end well.
    pub loads: u64,
    /// Loads that did not.
    pub failed: u64,
    /// Models that went because their idle time was over.
    pub expired: u64,
    /// Models that went for another's load.
    pub evicted: u64,
    /// Loads refused because all that could go was in use.
    pub busy: u64,
    /// Loads refused because the model does not fit, or not beside what is pinned.
    pub too_large: u64,
}

/// One device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// Models in memory.
    pub models: usize,
    /// Bytes that models take, those that are being loaded and those that are going included.
    pub bytes: u64,
    /// Bytes that they may take.
    pub budget: u64,
}

/// What handles and threads share.
pub(super) struct Inner {
    pub(super) config: ResidencyConfig,
    pub(super) runtime: Runtime,
    /// One for each device, in order of preference.
    pub(super) ledgers: Vec<Arc<Ledger>>,
    pub(super) loads: Arc<Jobs<(ModelKey, FlightId)>>,
    /// Models to be dropped on a thread that has the time.
    pub(super) going: Arc<Jobs<Arc<Model>>>,
    pub(super) counts: Counts,
    opened: Instant,
    entries: Mutex<HashMap<ModelKey, Entry>>,
}

/// The counters of [`ResidencyStats`].
#[derive(Default)]
pub(super) struct Counts {
    pub(super) loads: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) busy: AtomicU64,
    pub(super) too_large: AtomicU64,
}

impl Residency {
    /// Starts the threads that load models and let them go.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(runtime: &Runtime, config: ResidencyConfig) -> std::io::Result<Self> {
        let ledgers = config.budgets.iter().map(|(device, budget)| Ledger::new(*device, *budget)).collect();
        let inner = Arc::new(Inner {
            config,
            runtime: runtime.clone(),
            ledgers,
            loads: Arc::new(Jobs::new()),
            going: Arc::new(Jobs::new()),
            counts: Counts::default(),
            opened: Instant::now(),
            entries: Mutex::default(),
        });
        loading::start(&inner)?;
        sweep::start(&inner)?;
        Ok(Self { inner })
    }

    /// A handle for one more owner of what `key` names. `loader` brings it into memory when it is asked for; of several
    /// owners' the last one given is used, for they bring the same.
    #[must_use]
    pub fn handle(&self, key: ModelKey, loader: Arc<dyn Loader>) -> ModelHandle {
        let mut entries = self.inner.entries();
        let make = || Entry::new(Arc::new(Slot::new(key.clone(), self.inner.opened)), Arc::clone(&loader));
        let entry = entries.entry(key.clone()).or_insert_with(make);
        entry.loader = loader;
        let slot = Arc::clone(&entry.slot);
        let seen = Arc::new(Seen::of(&slot, self.inner.ledgers.iter().map(|ledger| ledger.device())));
        entry.seen.retain(|seen| seen.strong_count() > 0);
        entry.seen.push(Arc::downgrade(&seen));
        drop(entries);
        ModelHandle::new(Arc::clone(&self.inner), slot, seen)
    }

    /// What it holds now.
    #[must_use]
    pub fn stats(&self) -> ResidencyStats {
        let mut devices = BTreeMap::new();
        for ledger in &self.inner.ledgers {
            let (bytes, budget) = (ledger.taken(), ledger.budget());
            devices.insert(ledger.device(), DeviceStats { models: 0, bytes, budget });
        }
        for device in self.inner.entries().values().filter_map(|entry| entry.slot.device()) {
            if let Some(device) = devices.get_mut(&device) {
                device.models += 1;
            }
        }
        let counts = &self.inner.counts;
        ResidencyStats {
            devices,
            loads: counts.loads.load(Relaxed),
            failed: counts.failed.load(Relaxed),
            expired: counts.expired.load(Relaxed),
            evicted: counts.evicted.load(Relaxed),
            busy: counts.busy.load(Relaxed),
            too_large: counts.too_large.load(Relaxed),
        }
    }

    /// Lets go now of what has been idle for too long; its own thread does that from time to time.
    pub fn sweep(&self) {
        self.inner.sweep();
    }
}

impl Inner {
    pub(super) fn entries(&self) -> MutexGuard<'_, HashMap<ModelKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slow path: the model if it has come meanwhile, else a place in its load.
    pub(super) fn ask(&self, slot: &Slot, owner: &Arc<Seen>) -> Asked {
        let mut entries = self.entries();
        // A handle keeps its entry.
        let Some(entry) = entries.get_mut(&slot.key) else { return Asked::Here(Err(crate::LoadError::Cancelled)) };
        if let Some(model) = entry.slot.loaded.load_full() {
            return Asked::Here(Ok(model));
        }
        match &mut entry.stage {
            Stage::Loading(flight) => return Asked::Wait(flight.join(owner)),
            Stage::Failed { until, why } if Instant::now() < *until => return Asked::Here(Err(why.clone())),
            Stage::Failed { .. } | Stage::Away | Stage::Here => {}
        }
        if let Some(model) = entry.take_back() {
            return Asked::Here(Ok(model));
        }
        let mut flight = Flight::new();
        let receiver = flight.join(owner);
        self.loads.push((slot.key.clone(), flight.id));
        entry.stage = Stage::Loading(flight);
        Asked::Wait(receiver)
    }

    /// Somebody waits no longer. With the last one a load that has not begun is taken back, and one that has is asked to
    /// stop.
    pub(super) fn leave(&self, key: &ModelKey) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        let Stage::Loading(flight) = &mut entry.stage else { return };
        if flight.is_wanted() {
            return;
        }
        if !flight.has_begun {
            entry.stage = Stage::Away;
            return;
        }
        let context = flight.context.clone();
        drop(entries);
        context.cancel();
    }

    /// See [`ModelHandle::unload`].
    pub(super) fn unload(&self, slot: &Slot, seen: &Arc<Seen>, force: bool) -> Unload {
        let (now_ms, idle) = (slot.now_ms(), self.config.idle);
        let generation = slot.generation.load(Relaxed);
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&slot.key) else { return Unload::NotHere };
        if seen.is_pinned() && !force {
            return Unload::Pinned;
        }
        if !seen.is_here(now_ms, generation, idle) {
            return Unload::NotHere;
        }
        seen.forget();
        let others = entry
            .seen
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .any(|other| !Arc::ptr_eq(&other, seen) && other.is_here(now_ms, generation, idle));
        let model = if others { None } else { entry.let_go() };
        drop(entries);
        if model.is_some() {
            let _inside = Inside::enter();
            drop(model);
            self.runtime.shrink_arena();
        }
        Unload::Done
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.loads.end();
        self.going.end();
    }
}
