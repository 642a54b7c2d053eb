//! What the owner of one handle has seen of its model.
//!
//! A copy in memory may be shared with strangers. What an owner is told (in memory or not, loads, last use, sessions) is made
//! of its own uses alone, as if nobody else had the model: it counts a load where it would have met one, and its model is "in
//! memory" only while its own use or its own pin would keep it there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use modelet_spec::Device;

use super::slot::Slot;
use crate::batch::SizesSeen;
use crate::meter::Meter;
use crate::recorded::{CallShape, Recorder};

/// The counters behind one handle and its clones.
#[derive(Default)]
pub(super) struct Seen {
    uses: AtomicU64,
    /// Uses now in progress.
    current: AtomicUsize,
    /// The most at a time since the load that was seen last.
    current_max: AtomicUsize,
    used_ms: AtomicU64,
    /// The load that the last use saw; 0 is none.
    generation: AtomicU64,
    loads: AtomicU64,
    is_pinned: AtomicBool,
    /// The shapes of its last calls.
    pub(super) recorder: Recorder,
    /// Its runs, by the device that they ran on.
    meters: Vec<(Device, Arc<Meter>)>,
    /// The place in `meters` of the device of the last use.
    device: AtomicUsize,
    slot: Option<Arc<Slot>>,
}

/// A model as one owner sees it.
#[derive(Clone, Debug, Default)]
pub struct ModelUse {
    /// Calls so far.
    pub uses: u64,
    /// Calls in progress.
    pub current: usize,
    /// How long ago the last one began.
    pub last_use: Option<Duration>,
    /// Loads that its calls met.
    pub loads: u64,
    /// What the last load took.
    pub load_time: Option<Duration>,
    /// The device of the last use.
    pub device: Option<Device>,
    /// Whether it is in that device's memory.
    pub is_resident: bool,
    /// Bytes that it takes there, as if nobody shared them.
    pub bytes: u64,
    /// Sessions that its calls have had use for.
    pub sessions: usize,
    /// Time that its calls have kept sessions busy, on each device that they ever ran on; of a joined run, the part of their
    /// rows.
    pub busy: Vec<(Device, Duration)>,
    /// Its calls that wait for a session now.
    pub waiting: usize,
    /// Rows of its calls in each run that they had a part in, whoever else had one.
    pub sizes: SizesSeen,
    /// What is remembered of its calls, the oldest first.
    pub recorded: Vec<CallShape>,
    /// Whether its owner wants it to stay.
    pub is_pinned: bool,
}

impl Seen {
    /// Nothing yet, of a model that may be on one of `devices`.
    pub(super) fn of(slot: &Arc<Slot>, devices: impl Iterator<Item = Device>) -> Self {
        let mut seen = Self::default();
        seen.slot = Some(Arc::clone(slot));
        seen.meters = devices.map(|device| (device, Arc::default())).collect();
        seen
    }

    /// The model is on `device` for this use.
    pub(super) fn is_on(&self, device: Device) {
        let at = self.meters.iter().position(|(known, _)| *known == device).unwrap_or_default();
        if self.device.load(Relaxed) != at {
            self.device.store(at, Relaxed);
        }
    }

    /// Where runs on `device` are added up.
    pub(super) fn meter(&self, device: Device) -> Option<&Arc<Meter>> {
        self.meters.iter().find(|(known, _)| *known == device).map(|(_, meter)| meter)
    }

    /// All of these.
    pub(super) fn meters(&self) -> &[(Device, Arc<Meter>)] {
        &self.meters
    }

    /// A use begins at `now_ms`, of the copy that load `generation` brought. Says whether it meets a load.
    pub(super) fn enter(&self, now_ms: u64, generation: u64, idle: Duration) -> bool {
        let others = self.current.fetch_add(1, Relaxed);
        let current = others + 1;
        let is_load = !self.would_have(now_ms, generation, idle, others);
        if is_load {
            self.generation.store(generation, Relaxed);
            self.loads.fetch_add(1, Relaxed);
            self.current_max.store(current, Relaxed);
        } else if current > self.current_max.load(Relaxed) {
            self.current_max.fetch_max(current, Relaxed);
        }
        self.used_ms.store(now_ms, Relaxed);
        is_load
    }

    /// The use is a call.
    pub(super) fn call(&self) {
        self.uses.fetch_add(1, Relaxed);
    }

    pub(super) fn leave(&self) {
        self.current.fetch_sub(1, Relaxed);
    }

    /// Whether this owner alone would have the copy of `generation` in memory at `now_ms`.
    pub(super) fn is_here(&self, now_ms: u64, generation: u64, idle: Duration) -> bool {
        self.would_have(now_ms, generation, idle, self.current.load(Relaxed))
    }

    fn would_have(&self, now_ms: u64, generation: u64, idle: Duration, current: usize) -> bool {
        let age_ms = || now_ms.saturating_sub(self.used_ms.load(Relaxed));
        let keeps = || current > 0 || self.is_pinned() || u128::from(age_ms()) < idle.as_millis();
        generation != 0 && self.generation.load(Relaxed) == generation && keeps()
    }

    /// For its owner the model is no longer in memory.
    pub(super) fn forget(&self) {
        self.generation.store(0, Relaxed);
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.is_pinned.load(Relaxed)
    }

    pub(super) fn pin(&self, wanted: bool) {
        let was = self.is_pinned.swap(wanted, Relaxed);
        if let Some(slot) = self.slot.as_ref().filter(|_| was != wanted) {
            let _ = if wanted { slot.pins.fetch_add(1, Relaxed) } else { slot.pins.fetch_sub(1, Relaxed) };
        }
    }

    /// All of it. `slot` is where its model is.
    pub(super) fn read(&self, slot: &Slot, idle: Duration) -> ModelUse {
        let now_ms = slot.now_ms();
        let (uses, loads) = (self.uses.load(Relaxed), self.loads.load(Relaxed));
        let loaded = slot.loaded.load_full();
        let here = loaded.filter(|_| self.is_here(now_ms, slot.generation.load(Relaxed), idle));
        let sessions = here.as_ref().map_or(0, |model| model.sessions().min(self.current_max.load(Relaxed).max(1)));
        let age_ms = now_ms.saturating_sub(self.used_ms.load(Relaxed));
        let device = self.meters.get(self.device.load(Relaxed)).map(|(device, _)| *device);
        let busy = self.meters.iter().map(|(device, meter)| (*device, meter.busy()));
        let mut sizes = SizesSeen::default();
        self.meters.iter().for_each(|(_, meter)| meter.add_sizes_to(&mut sizes));
        ModelUse {
            uses,
            current: self.current.load(Relaxed),
            last_use: (loads > 0).then(|| Duration::from_millis(age_ms)),
            loads,
            load_time: (loads > 0).then(|| slot.load_time()),
            device: device.filter(|_| loads > 0),
            is_resident: here.is_some(),
            bytes: here.as_ref().map_or(0, |model| model.footprint().of_sessions(sessions)),
            sessions,
            busy: busy.filter(|(_, busy)| !busy.is_zero()).collect(),
            waiting: self.meters.iter().map(|(_, meter)| meter.waiting()).sum(),
            sizes,
            recorded: self.recorder.read(),
            is_pinned: self.is_pinned(),
        }
    }
}

impl Drop for Seen {
    /// With its last handle an owner's wish goes.
    fn drop(&mut self) {
        self.pin(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(1);

    #[test]
    fn a_load_by_somebody_else_is_a_load_for_whoever_meets_its_copy_first() {
        let seen = Seen::default();
        assert!(seen.enter(10, 1, IDLE));
        assert!(!seen.enter(500, 1, IDLE));
        assert!(seen.enter(600, 2, IDLE), "another copy");
    }

    #[test]
    fn after_its_own_idle_time_an_owner_sees_a_load_whoever_kept_the_model() {
        let seen = Seen::default();
        seen.enter(0, 1, IDLE);
        seen.leave();
        assert!(seen.is_here(999, 1, IDLE) && !seen.is_here(1000, 1, IDLE));
        assert!(seen.enter(1000, 1, IDLE));
        seen.leave();
        seen.pin(true);
        assert!(!seen.enter(9000, 1, IDLE), "a pinned one stays");
        seen.leave();
        seen.forget();
        assert!(!seen.is_here(9001, 1, IDLE));
    }

    #[test]
    fn uses_in_progress_are_counted() {
        let seen = Seen::default();
        seen.enter(0, 1, IDLE);
        seen.enter(0, 1, IDLE);
        seen.leave();
        assert_eq!((seen.current.load(Relaxed), seen.current_max.load(Relaxed), seen.uses.load(Relaxed)), (1, 2, 0));
        seen.leave();
        assert_eq!(seen.current.load(Relaxed), 0);
    }
}
