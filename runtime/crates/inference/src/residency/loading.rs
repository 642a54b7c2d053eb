//! The threads that load, and what becomes of a load.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use modelet_spec::Device;

use super::flight::{FlightId, LoadContext, Loaded, Loader};
use super::jobs::Next;
use super::key::ModelKey;
use super::ledger::Ledger;
use super::residency::Inner;
use super::slot::Stage;
use crate::error::LoadError;
use crate::onnx::ffi::Inside;
use crate::priority::stand_back;

/// How long a thread waits before it looks whether anybody is left to load for.
const PAUSE: Duration = Duration::from_secs(60);

/// A load that begins.
pub(super) struct Begun {
    loader: Arc<dyn Loader>,
    context: LoadContext,
    /// What it takes of each device, by earlier loads.
    measured: BTreeMap<Device, u64>,
}

impl Begun {
    /// Bytes that it will take of `device`, as far as is known.
    pub(super) fn expected(&self, device: Device) -> u64 {
        self.measured.get(&device).copied().unwrap_or_else(|| self.loader.bytes())
    }
}

/// Starts the threads; they end with the residency.
pub(super) fn start(inner: &Arc<Inner>) -> std::io::Result<()> {
    for index in 0..inner.config.loads_max.max(1) {
        let (weak, jobs) = (Arc::downgrade(inner), Arc::clone(&inner.loads));
        let work = move || {
            stand_back();
            loop {
                match jobs.next(PAUSE) {
                    Next::Job((key, flight)) => work(&weak, &key, flight),
                    Next::Nothing => {}
                    Next::Over => return,
                }
            }
        };
        thread::Builder::new().name(format!("load-{index}")).spawn(work)?;
    }
    Ok(())
}

fn work(inner: &Weak<Inner>, key: &ModelKey, flight: FlightId) {
    // To the end: what is loaded in vain goes with it.
    let _inside = Inside::enter();
    if let Some(inner) = inner.upgrade()
        && let Some(begun) = inner.begin(key, flight)
    {
        let started = Instant::now();
        let loaded = inner.load(key, &begun);
        inner.finish(key, flight, loaded, started.elapsed());
    }
}

impl Inner {
    /// Takes a load up, unless all who wanted it have left.
    fn begin(&self, key: &ModelKey, id: FlightId) -> Option<Begun> {
        let mut entries = self.entries();
        let entry = entries.get_mut(key)?;
        let measured = entry.measured.clone();
        let Stage::Loading(flight) = &mut entry.stage else { return None };
        if flight.id != id {
            return None;
        }
        if !flight.is_wanted() {
            entry.stage = Stage::Away;
            return None;
        }
        flight.begin();
        Some(Begun { loader: Arc::clone(&entry.loader), context: flight.context.clone(), measured })
    }

    /// Makes room on one device by what is known, loads, and makes the room right by what was measured.
    pub(super) fn load_on(&self, ledger: &Arc<Ledger>, key: &ModelKey, begun: &Begun) -> Loaded {
        let (place, device) = ((key, ledger), ledger.device());
        let charge = self.room(place, begun.expected(device), &begun.context)?;
        if begun.context.is_cancelled() {
            return Err(LoadError::Cancelled);
        }
        let loaded = catch_unwind(AssertUnwindSafe(|| begun.loader.load(device, &begun.context)));
        let model = loaded.unwrap_or_else(|_| Err(LoadError::Unavailable("loading the model broke off".to_owned())))?;
        let bytes = model.footprint().total();
        self.note_measure(key, device, bytes);
        self.more_room(place, &charge, bytes, &begun.context)?;
        model.charge_to(charge);
        Ok(model)
    }

    fn note_measure(&self, key: &ModelKey, device: Device, bytes: u64) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.measured.insert(device, bytes);
        }
    }

    /// Puts the model into its slot, or keeps the failure for a while, and tells all who wait.
    fn finish(&self, key: &ModelKey, id: FlightId, loaded: Loaded, took: Duration) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        let stage = std::mem::replace(&mut entry.stage, Stage::Away);
        let Stage::Loading(mut flight) = stage else { return };
        debug_assert_eq!(flight.id, id, "a load that has begun is the only one of its model");
        match &loaded {
            Ok(model) => {
                self.counts.loads.fetch_add(1, Relaxed);
                entry.failures = 0;
                entry.slot.load_ns.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
                entry.slot.used_ms.store(entry.slot.now_ms(), Relaxed);
                entry.slot.generation.fetch_add(1, Release);
                entry.slot.loaded.store(Some(Arc::clone(model)));
                entry.stage = Stage::Here;
                let (footprint, device) = (model.footprint(), model.device());
                tracing::info!(model = model.name(), %device, seconds = took.as_secs_f64(), ?footprint, "loaded a model");
            }
            // It stopped because nobody waited; somebody may have come since.
            Err(LoadError::Cancelled) if flight.is_wanted() => {
                let again = flight.again();
                self.loads.push((key.clone(), again.id));
                entry.stage = Stage::Loading(again);
                return;
            }
            Err(LoadError::Cancelled) => {}
            Err(why) => {
                self.counts.failed.fetch_add(1, Relaxed);
                self.count_refusal(why);
                tracing::warn!(content = %key.content, error = %why, "a model did not load");
                let doubled = self.config.back_off.saturating_mul(1 << entry.failures.min(16));
                entry.failures = entry.failures.saturating_add(1);
                let until = Instant::now() + doubled.min(self.config.back_off_max);
                entry.stage = Stage::Failed { until, why: why.clone() };
            }
        }
        drop(entries);
        let has_failed = loaded.is_err();
        flight.land(loaded);
        if has_failed {
            // What a load that failed has left in the arena.
            self.runtime.shrink_arena();
        }
    }
}
