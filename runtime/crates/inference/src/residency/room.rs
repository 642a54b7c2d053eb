//! Room for a load: what is free, then what nobody uses, then a short wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use modelet_spec::Device;

use super::flight::LoadContext;
use super::key::ModelKey;
use super::ledger::{Charge, Ledger};
use super::residency::Inner;
use super::slot::Stage;
use super::worth::{Candidate, victims};
use crate::error::LoadError;
use crate::model::Model;

/// How often a load that waits for room looks whether what could go is still in use.
const LOOK: Duration = Duration::from_millis(5);

impl Inner {
    /// `bytes` on a device's account, for the model that `key` names.
    ///
    /// # Errors
    /// [`LoadError::TooLarge`] if they never fit beside what is pinned, [`LoadError::Busy`] if not now.
    pub(super) fn room(
        &self,
        (key, ledger): (&ModelKey, &Arc<Ledger>),
        bytes: u64,
        context: &LoadContext,
    ) -> Result<Charge, LoadError> {
        self.fit((key, ledger), (bytes, bytes), context, || ledger.take(bytes))
    }

    /// The charge made `bytes` large: what was measured instead of what was expected.
    ///
    /// # Errors
    /// As [`Inner::room`].
    pub(super) fn more_room(
        &self,
        (key, ledger): (&ModelKey, &Arc<Ledger>),
        charge: &Charge,
        bytes: u64,
        context: &LoadContext,
    ) -> Result<(), LoadError> {
        let more = bytes.saturating_sub(charge.bytes());
        self.fit((key, ledger), (bytes, more), context, || charge.resize(bytes).then_some(()))
    }

    /// Tries `take` until there is room: `total` bytes for the model, `more` of them now.
    fn fit<T>(
        &self,
        (key, ledger): (&ModelKey, &Ledger),
        (total, more): (u64, u64),
        context: &LoadContext,
        take: impl Fn() -> Option<T>,
    ) -> Result<T, LoadError> {
        let until = Instant::now() + self.config.room_wait;
        loop {
            if let Some(taken) = take() {
                return Ok(taken);
            }
            let going = self.choose(ledger.device(), more.saturating_sub(ledger.free()));
            if !going.is_empty() {
                self.evict(going);
                if let Some(taken) = take() {
                    return Ok(taken);
                }
                // Somebody holds one of them for a moment. Wait for it, rather than let go of more.
                ledger.wait(LOOK);
                continue;
            }
            if context.is_cancelled() {
                return Err(LoadError::Cancelled);
            }
            let pinned = self.pinned_bytes(key, ledger.device());
            if total > ledger.budget().saturating_sub(pinned) {
                return Err(too_large(ledger, total, pinned));
            }
            if Instant::now() >= until {
                return Err(LoadError::Busy { retry_after: self.config.room_wait.max(Duration::from_secs(1)) });
            }
            ledger.wait(LOOK);
        }
    }

    /// Lets go of models until `needed` bytes of a device are free; none of them if that is not enough.
    fn choose(&self, device: Device, needed: u64) -> Vec<Arc<Model>> {
        let mut entries = self.entries();
        let candidates = entries.values().filter(|entry| {
            let slot = &entry.slot;
            slot.device() == Some(device) && !slot.is_pinned() && slot.is_unused() && matches!(entry.stage, Stage::Here)
        });
        let candidates = candidates.filter_map(|entry| {
            let slot = &entry.slot;
            let bytes = slot.loaded.load().as_ref()?.charged_bytes();
            let age = Duration::from_millis(slot.now_ms().saturating_sub(slot.used_ms.load(Relaxed)));
            Some(Candidate { key: slot.key.clone(), bytes, age, load_time: slot.load_time() })
        });
        let going = victims(candidates.collect(), needed).unwrap_or_default();
        going.iter().filter_map(|key| entries.get_mut(key)?.let_go_unused()).collect()
    }

    fn evict(&self, going: Vec<Arc<Model>>) {
        for model in going {
            self.counts.evicted.fetch_add(1, Relaxed);
            tracing::info!(
                model = model.name(),
                bytes = model.charged_bytes(),
                "a model goes: another needs its memory"
            );
        }
        self.runtime.shrink_arena();
    }

    /// Bytes of a device that cannot go for the model that `key` names, however long one waits.
    fn pinned_bytes(&self, key: &ModelKey, device: Device) -> u64 {
        let entries = self.entries();
        let pinned = entries
            .values()
            .filter(|entry| entry.slot.device() == Some(device) && entry.slot.key != *key && entry.slot.is_pinned());
        pinned.filter_map(|entry| Some(entry.slot.loaded.load().as_ref()?.charged_bytes())).sum()
    }
}

fn too_large(ledger: &Ledger, bytes: u64, pinned: u64) -> LoadError {
    let (device, budget) = (ledger.device(), ledger.budget());
    let key = if device.is_cpu() { "`inference_memory` in [limits]" } else { "its `device_memory` in [inference]" };
    let beside = if pinned > 0 { format!(", of which pinned models take {pinned}") } else { String::new() };
    LoadError::TooLarge(format!(
        "it takes {bytes} bytes; all models on `{device}` may take {budget}{beside}: raise {key}"
    ))
}
