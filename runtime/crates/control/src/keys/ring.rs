//! The keys that hold now, for both planes; and when they were last used, written down now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use modelet_catalog::{Bound, KeyHasher, KeyRecord, KeyRing, Keys, LastUse, Secret};
use modelet_store::{Changes, HashKind, Store, StoredKey};

use crate::acting::Acting;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::jwt::Issuers;
use crate::outage::Outage;

/// How often uses are written down: so much of them is lost at most.
const EVERY: Duration = Duration::from_secs(60);

/// Held while keys change: a ring is read from the store after each change, and the last one read must be the one that stays.
#[derive(Debug, Default)]
pub(crate) struct Changing(Mutex<HashMap<String, u64>>);

/// Reads all keys. Uses that `before` knows of are kept. Blocks.
fn read_ring(store: &Store, hasher: &KeyHasher, before: &Keys) -> Result<Keys, ControlError> {
    let uses: HashMap<&str, &LastUse> = before.records().map(|record| (record.id.as_str(), &record.last_use)).collect();
    let mut keys = Keys::new(hasher.clone());
    for key in store.keys(None)? {
        let last_use = uses.get(key.id.as_str()).map(|last_use| (*last_use).clone());
        let last_use = last_use.unwrap_or_else(|| LastUse::at(key.last_use_ms.unwrap_or(0)));
        let current = key.secrets.iter().filter(|secret| secret.kind == HashKind::Blake3);
        let secrets: Vec<Secret> =
            current.map(|secret| Secret { hash: secret.hash, until_ms: secret.until_ms }).collect();
        keys.insert(record(key, last_use), &secrets);
    }
    Ok(keys)
}

fn record(key: StoredKey, last_use: LastUse) -> KeyRecord {
    KeyRecord {
        id: key.id,
        tenant: key.tenant,
        scopes: key.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        bound: key.bound.map(|(functions, models)| Bound { functions, models }),
        expires_ms: key.expires_ms,
        last_use,
    }
}

impl Acting {
    /// Changes keys in the store, and then those that hold. Blocks.
    pub(crate) fn change_keys<T>(
        &self,
        change: impl FnOnce(&Changes<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let _changing = self.key_changes.0.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(&self.changes())?;
        self.keys.replace(read_ring(&self.store, &self.hasher, &self.keys.keys())?);
        Ok(done)
    }
}

impl Control {
    /// Writes down the uses that are not yet. Blocks.
    fn write_uses(&self) -> Result<(), ControlError> {
        let mut written = self.key_changes.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys.keys();
        written.retain(|id, _| keys.records().any(|record| record.id == *id));
        let used = keys.records().filter_map(|record| Some((record.id.clone(), record.last_use.get()?)));
        let new: Vec<(String, u64)> = used.filter(|(id, at)| written.get(id) != Some(at)).collect();
        if !new.is_empty() {
            self.store.set_last_uses(&new)?;
            written.extend(new);
        }
        Ok(())
    }
}

/// Writes uses down from time to time, as long as the control plane lives.
pub(crate) fn start(control: &Arc<Control>) {
    let weak = Arc::downgrade(control);
    tokio::spawn(async move {
        let mut outage = Outage::of("when keys were last used");
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(control) = weak.upgrade() else { return };
            outage.hear(blocking(move || control.write_uses()).await);
        }
    });
}

/// The ring of the start.
pub(crate) fn open(
    store: &Store,
    hasher: &KeyHasher,
    issuers: Option<&Arc<Issuers>>,
) -> Result<Arc<KeyRing>, ControlError> {
    let ring = KeyRing::new(read_ring(store, hasher, &Keys::new(hasher.clone()))?);
    Ok(Arc::new(match issuers {
        Some(issuers) => ring.with_tokens(Arc::<Issuers>::clone(issuers)),
        None => ring,
    }))
}
