//! The values of secrets, opened for the functions that name them: one copy of each in memory, as long as one of these is there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use modelet_spec::{SecretName, SecretValue, TenantName};
use modelet_store::{Changes, Seal, Store, StoreError, StoredSealed};

use super::keys::{Closed, Keys};
use super::passphrase::Values;
use super::seal::Of;
use crate::error::ControlError;

type Owned = (TenantName, SecretName);

/// Opens and seals. Calls block.
pub(crate) struct Vault {
    store: Arc<Store>,
    file: PathBuf,
    /// `None`: not read yet, or there is no file to read.
    keys: Mutex<Option<Arc<Keys>>>,
    /// What is open, each with its version.
    values: Mutex<HashMap<Owned, (u64, Weak<SecretValue>)>>,
}

impl Vault {
    /// Looks whether all secrets can be opened. If not the operator is told, and functions that name none go on.
    pub(crate) fn start(store: Arc<Store>, file: PathBuf) -> Result<Self, ControlError> {
        let vault = Self { store, file, keys: Mutex::default(), values: Mutex::default() };
        let stored = vault.store.secrets(None)?;
        if !stored.is_empty()
            && let Ok(keys) = vault.keys()
        {
            let closed: Vec<Closed> = stored.iter().filter_map(|one| keys.open(one).err()).collect();
            if !closed.is_empty() {
                let no_key = closed.iter().filter(|why| **why == Closed::NoKey).count();
                let damaged = closed.len() - no_key;
                tracing::error!(
                    file = %vault.file.display(), secrets = stored.len(), sealed_with_another_key = no_key, damaged,
                    "secrets cannot be opened: functions that name them do not serve; restore the key file, or set them anew"
                );
            }
        }
        Ok(vault)
    }

    /// A secret's value; `None`: the tenant has none of that name.
    pub(crate) fn value(
        &self,
        tenant: &TenantName,
        name: &SecretName,
    ) -> Result<Option<Arc<SecretValue>>, ControlError> {
        let Some(stored) = self.store.secret(tenant, name)? else { return Ok(None) };
        let owned = (tenant.clone(), name.clone());
        let mut open = lock(&self.values);
        let known = open.get(&owned).filter(|(version, _)| *version == stored.version);
        if let Some(value) = known.and_then(|(_, value)| value.upgrade()) {
            return Ok(Some(value));
        }
        let value = Arc::new(self.open(&stored)?);
        open.retain(|_, (_, value)| value.strong_count() > 0);
        open.insert(owned, (stored.version, Arc::downgrade(&value)));
        Ok(Some(value))
    }

    /// A secret's value, opened anew.
    pub(super) fn open(&self, stored: &StoredSealed) -> Result<SecretValue, ControlError> {
        let closed = |why: Closed| {
            let (tenant, secret, file) = (&stored.tenant, &stored.name, self.file.display());
            tracing::error!(%tenant, %secret, %file, ?why, "a secret cannot be opened");
            ControlError::SealedSecret(stored.name.clone())
        };
        self.keys()?.open(stored).map_err(closed)
    }

    /// How to seal a value that is about to be kept. Makes the key with the first.
    pub(super) fn sealer<'a>(
        &self,
        (tenant, name): (&'a TenantName, &'a SecretName),
        value: &'a SecretValue,
    ) -> Result<impl FnOnce(u64) -> Option<Seal> + use<'a>, ControlError> {
        let keys = self.keys()?;
        Ok(move |version| keys.seal(Of { tenant, name, version }, value))
    }

    /// How to seal values that come in together. Makes the key with the first.
    pub(crate) fn sealer_of_all<'a>(
        &self,
        values: &'a Values,
    ) -> Result<impl Fn(&TenantName, &SecretName, u64) -> Option<Seal> + use<'a>, ControlError> {
        let keys = if values.is_empty() { None } else { Some(self.keys()?) };
        Ok(move |tenant: &TenantName, name: &SecretName, version| {
            let value = values.get(&(tenant.clone(), name.clone()))?;
            keys.as_ref()?.seal(Of { tenant, name, version }, value)
        })
    }

    /// Gives all secrets another key; none where one cannot be opened. Returns how many there are.
    pub(super) fn rekey(&self, changes: &Changes<'_>) -> Result<u64, ControlError> {
        let both = self.keys()?.followed().map_err(|why| self.failed(&why))?;
        let reseal = |one: StoredSealed| {
            let value = self.open(&one)?;
            let seal = both.seal(Of::stored(&one), &value).ok_or(StoreError::NotSealed)?;
            Ok(StoredSealed { seal, ..one })
        };
        let resealed = self.store.secrets(None)?.into_iter().map(reseal).collect::<Result<Vec<_>, ControlError>>()?;
        let both = Arc::new(both);
        // In the file before anything is sealed with it: a server that is killed in between opens what either has sealed.
        self.write(&both)?;
        changes.reseal_secrets(&resealed)?;
        let alone = both.alone().map_err(|why| self.failed(&why))?;
        self.write(&Arc::new(alone))?;
        Ok(resealed.len() as u64)
    }

    /// The keys of the file, read when they are first needed. Where nothing is sealed yet, a missing one is made.
    fn keys(&self) -> Result<Arc<Keys>, ControlError> {
        if let Some(keys) = lock(&self.keys).as_ref() {
            return Ok(Arc::clone(keys));
        }
        let read = Keys::read(&self.file).map_err(|why| self.failed(&why))?;
        if let Some(keys) = read {
            let keys = Arc::new(keys);
            *lock(&self.keys) = Some(Arc::clone(&keys));
            return Ok(keys);
        }
        let count = self.store.secrets(None)?.len();
        if count > 0 {
            let why = format!(
                "is not there, and {count} secrets are sealed with it: restore it, or remove them and set them anew"
            );
            return Err(self.failed(&why));
        }
        let keys = Arc::new(Keys::new().map_err(|why| self.failed(&why))?);
        self.write(&keys)?;
        tracing::info!(file = %self.file.display(), "made the key that secrets are sealed with");
        Ok(keys)
    }

    fn write(&self, keys: &Arc<Keys>) -> Result<(), ControlError> {
        keys.write(&self.file).map_err(|why| self.failed(&why))?;
        *lock(&self.keys) = Some(Arc::clone(keys));
        Ok(())
    }

    /// The operator reads why in the log; who asks does not learn of places on the server.
    fn failed(&self, why: &str) -> ControlError {
        tracing::error!("the key file of secrets {} {why}", self.file.display());
        ControlError::SecretKey
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::Claims;
    use modelet_store::Actor;

    struct Place {
        dir: tempfile::TempDir,
        store: Arc<Store>,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(Store::open(&dir.path().join("data")).unwrap());
            store.by(&Actor::Server).create_tenant(&"beta".parse().unwrap(), &Claims::default()).unwrap();
            Self { dir, store }
        }

        fn start(&self) -> Vault {
            Vault::start(Arc::clone(&self.store), self.file()).unwrap()
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("secret.key")
        }
    }

    fn set(vault: &Vault, tenant: &str, name: &str, value: &str) {
        let (tenant, name) = (tenant.parse().unwrap(), name.parse().unwrap());
        let value = SecretValue::new(value.as_bytes().to_vec()).unwrap();
        let sealer = vault.sealer((&tenant, &name), &value).unwrap();
        vault.store.by(&Actor::Server).put_secret((&tenant, &name), None, 9, sealer).unwrap();
    }

    fn value(vault: &Vault, tenant: &str, name: &str) -> Result<Option<Arc<SecretValue>>, ControlError> {
        vault.value(&tenant.parse().unwrap(), &name.parse().unwrap())
    }

    fn text(vault: &Vault, tenant: &str, name: &str) -> String {
        value(vault, tenant, name).unwrap().unwrap().reveal().to_owned()
    }

    #[test]
    fn a_value_is_in_memory_once_and_as_long_as_somebody_has_it() {
        let place = Place::new();
        let vault = place.start();
        set(&vault, "default", "a", "one");
        let (first, second) = (value(&vault, "default", "a").unwrap(), value(&vault, "default", "a").unwrap());
        assert!(Arc::ptr_eq(first.as_ref().unwrap(), second.as_ref().unwrap()));
        set(&vault, "default", "a", "two");
        assert_eq!(text(&vault, "default", "a"), "two");
        assert_eq!(first.unwrap().reveal(), "one", "who has the old one keeps it");
        drop(second);
        set(&vault, "default", "b", "x");
        assert_eq!(text(&vault, "default", "b"), "x");
        assert_eq!(lock(&vault.values).len(), 1, "what nobody has is forgotten");
        assert!(value(&vault, "beta", "a").unwrap().is_none());
    }

    #[test]
    fn rows_that_were_swapped_do_not_open() {
        let place = Place::new();
        let vault = place.start();
        set(&vault, "default", "a", "mine");
        set(&vault, "default", "b", "mine, too");
        set(&vault, "beta", "a", "theirs");
        let stored = |tenant: &str, name: &str| {
            place.store.secret(&tenant.parse().unwrap(), &name.parse().unwrap()).unwrap().unwrap()
        };
        let theirs = stored("beta", "a").seal;
        for other in [stored("default", "a").seal, stored("default", "b").seal] {
            place
                .store
                .by(&Actor::Server)
                .reseal_secrets(&[StoredSealed { seal: other, ..stored("beta", "a") }])
                .unwrap();
            let refused = value(&place.start(), "beta", "a").unwrap_err();
            assert!(matches!(&refused, ControlError::SealedSecret(name) if name.as_str() == "a"), "{refused}");
        }
        place.store.by(&Actor::Server).reseal_secrets(&[StoredSealed { seal: theirs, ..stored("beta", "a") }]).unwrap();
        assert_eq!(text(&place.start(), "beta", "a"), "theirs");
    }

    #[test]
    fn no_key_is_made_while_something_is_sealed_with_another() {
        let place = Place::new();
        set(&place.start(), "default", "a", "one");
        let before = std::fs::read_to_string(place.file()).unwrap();
        std::fs::remove_file(place.file()).unwrap();
        let vault = place.start();
        assert!(matches!(value(&vault, "default", "a"), Err(ControlError::SecretKey)));
        let (tenant, name) = (TenantName::default_tenant(), "b".parse().unwrap());
        let other = SecretValue::new(b"x".to_vec()).unwrap();
        assert!(matches!(vault.sealer((&tenant, &name), &other).err(), Some(ControlError::SecretKey)));
        assert!(!place.file().exists());
        // Once it is there again, no restart is needed.
        Keys::new().unwrap().write(&place.file()).unwrap();
        assert!(matches!(value(&vault, "default", "a"), Err(ControlError::SealedSecret(_))), "another key");
        assert!(
            matches!(vault.rekey(&vault.store.by(&Actor::Server)), Err(ControlError::SealedSecret(_))),
            "and what it cannot open it does not change"
        );
        std::fs::write(place.file(), &before).unwrap();
        assert_eq!(text(&place.start(), "default", "a"), "one");
        place.store.by(&Actor::Server).remove_secret(&tenant, &"a".parse().unwrap()).unwrap();
        std::fs::remove_file(place.file()).unwrap();
        set(&place.start(), "default", "b", "two");
        assert_ne!(std::fs::read_to_string(place.file()).unwrap(), before);
    }

    #[test]
    fn a_server_that_dies_while_keys_change_opens_what_either_has_sealed() {
        let place = Place::new();
        let vault = place.start();
        set(&vault, "default", "a", "one");
        let both = vault.keys().unwrap().followed().unwrap();
        both.write(&place.file()).unwrap();
        assert_eq!(text(&place.start(), "default", "a"), "one");
        let vault = place.start();
        set(&vault, "default", "b", "two");
        assert_eq!(vault.rekey(&vault.store.by(&Actor::Server)).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(place.file()).unwrap().lines().count(), 1);
        let vault = place.start();
        assert_eq!((text(&vault, "default", "a"), text(&vault, "default", "b")), ("one".to_owned(), "two".to_owned()));
    }
}
