//! The device that a load goes to: its bytes are on that one's account and no other's.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::flight::Loaded;
use super::key::ModelKey;
use super::ledger::Ledger;
use super::loading::Begun;
use super::residency::Inner;
use crate::error::LoadError;
use crate::placement::{self, Room};

impl Inner {
    /// Loads a model where its key wishes, else on the first device with room (`placement.rs`). Where that one cannot run it
    /// or never has room for it, and was not demanded, the next one is tried, and a line in the log says so.
    pub(super) fn load(&self, key: &ModelKey, begun: &Begun) -> Loaded {
        let is_demanded = key.device.is_some_and(|wish| wish.is_demanded);
        let mut left: Vec<&Arc<Ledger>> = self.ledgers.iter().collect();
        loop {
            let ledger = self.place(key, begun, &left)?;
            left.retain(|other| !Arc::ptr_eq(other, ledger));
            match self.load_on(ledger, key, begun) {
                Err(error @ (LoadError::Device { .. } | LoadError::TooLarge(_)))
                    if !is_demanded && !left.is_empty() =>
                {
                    let (device, content) = (ledger.device(), key.content);
                    tracing::warn!(%content, %device, %error, "a model is not loaded there; trying the next device");
                }
                loaded => return loaded,
            }
        }
    }

    fn place<'a>(
        &self,
        key: &ModelKey,
        begun: &Begun,
        among: &[&'a Arc<Ledger>],
    ) -> Result<&'a Arc<Ledger>, LoadError> {
        let first = key.device.map(|wish| wish.device).or_else(|| Some(among.first()?.device()));
        let bytes = begun.expected(first.unwrap_or_default());
        let rooms: Vec<Room> = among.iter().map(|ledger| ledger.room()).collect();
        let index = placement::place(key.device, &rooms, bytes);
        let index = index.map_err(|refusal| self.runtime.refuse_place(refusal, bytes))?;
        among.get(index).copied().ok_or_else(|| LoadError::Unsupported("no device is there".to_owned()))
    }

    /// Counts a load that there was no memory for.
    pub(super) fn count_refusal(&self, why: &LoadError) {
        match why {
            LoadError::Busy { .. } => _ = self.counts.busy.fetch_add(1, Relaxed),
            LoadError::TooLarge(_) => _ = self.counts.too_large.fetch_add(1, Relaxed),
            _ => {}
        }
    }
}

impl Ledger {
    fn room(&self) -> Room {
        Room { device: self.device(), memory_max: self.budget(), taken: self.taken() }
    }
}
