//! The admin key: made at the first start, read by the CLI on the same machine.

use std::path::Path;

use modelet_catalog::KeyHasher;
use modelet_spec::{Digest, TenantName};
use modelet_store::{Actor, HashKind, Revision, Store, StoredKey, StoredSecret};

pub(super) use super::secret::Staged;
use super::secret::{self, new_secret};
use crate::clock::now_ms;
use crate::error::ControlError;

/// The key's file in the data directory.
pub const ADMIN_KEY_FILE: &str = "admin.key";
/// The key's id: what logs and guests may see of it.
pub(crate) const ADMIN_KEY_ID: &str = "admin";

/// Makes sure that the admin key's file and the store agree; makes a new key if not.
///
/// Who removes the file and restarts the server gets a new key, and the old one is worth nothing any more. One that an earlier
/// server hashed in another way goes on to hold: its file says what it is.
pub(crate) fn ensure_admin_key(store: &Store, data_dir: &Path, hasher: &KeyHasher) -> Result<(), ControlError> {
    let path = data_dir.join(ADMIN_KEY_FILE);
    let known = store.keys(None)?.into_iter().find(|key| key.id == ADMIN_KEY_ID);
    let written = secret::read(&path)?;
    match (known, written.as_deref().map(str::trim)) {
        (Some(known), Some(secret)) if opens(&known, secret, hasher) => return Ok(()),
        (Some(known), Some(secret)) if opened(&known, secret) => return keep(store, hasher, secret),
        _ => {}
    }
    let secret = new_secret()?;
    secret::stage(&path, &secret)?.put()?;
    keep(store, hasher, &secret)?;
    tracing::info!(file = %path.display(), "made the admin key");
    Ok(())
}

/// Writes the key's file anew, beside the one that is there.
pub(super) fn stage(data_dir: &Path, secret: &str) -> Result<Staged, ControlError> {
    secret::stage(&data_dir.join(ADMIN_KEY_FILE), secret)
}

/// Whether a secret is the key's.
fn opens(key: &StoredKey, secret: &str, hasher: &KeyHasher) -> bool {
    let hash = hasher.hash(secret);
    key.secrets.iter().any(|known| known.kind == HashKind::Blake3 && known.hash == hash && known.until_ms.is_none())
}

/// Whether a secret was the key's for an earlier server.
fn opened(key: &StoredKey, secret: &str) -> bool {
    let hash = Digest::of(secret.as_bytes());
    key.secrets.iter().any(|known| known.kind == HashKind::Sha256 && known.hash == *hash.as_bytes())
}

fn keep(store: &Store, hasher: &KeyHasher, secret: &str) -> Result<(), ControlError> {
    let secret = StoredSecret { hash: hasher.hash(secret), kind: HashKind::Blake3, until_ms: None };
    store.by(&Actor::Server).put_key(&StoredKey {
        id: ADMIN_KEY_ID.to_owned(),
        tenant: TenantName::default_tenant(),
        scopes: vec!["admin".to_owned()],
        bound: None,
        created_ms: now_ms(),
        expires_ms: None,
        last_use_ms: None,
        secrets: vec![secret],
        revision: Revision::default(),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Place {
        dir: tempfile::TempDir,
        store: Store,
        hasher: KeyHasher,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("data")).unwrap();
            Self { dir, store, hasher: KeyHasher::new([3; 32]) }
        }

        /// Starts a server, as far as its key goes; what the key's file says afterwards.
        fn start(&self) -> String {
            ensure_admin_key(&self.store, &self.dir.path().join("data"), &self.hasher).unwrap();
            std::fs::read_to_string(self.file()).unwrap().trim().to_owned()
        }

        fn file(&self) -> std::path::PathBuf {
            self.dir.path().join("data").join(ADMIN_KEY_FILE)
        }

        fn hashes(&self) -> Vec<[u8; 32]> {
            self.store.keys(None).unwrap().iter().flat_map(|key| &key.secrets).map(|secret| secret.hash).collect()
        }
    }

    #[test]
    fn the_key_is_private_stays_and_is_replaced_when_its_file_is_gone() {
        let place = Place::new();
        let first = place.start();
        assert_eq!(std::fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.starts_with(modelet_catalog::SECRET_PREFIX));
        assert_eq!(place.start(), first);
        std::fs::remove_file(place.file()).unwrap();
        let second = place.start();
        assert_ne!(second, first);
        assert_eq!(place.hashes(), [place.hasher.hash(&second)], "the old key is worth nothing");
    }

    #[test]
    fn a_file_that_the_store_does_not_know_is_replaced() {
        let place = Place::new();
        std::fs::write(place.file(), "chosen by somebody").unwrap();
        assert_ne!(place.start(), "chosen by somebody");
    }

    #[test]
    fn the_key_of_an_earlier_server_goes_on_to_open_and_is_hashed_anew() {
        let place = Place::new();
        let old = Digest::from_bytes([9; 32]).hex();
        std::fs::write(place.file(), &old).unwrap();
        let hash = *Digest::of(old.as_bytes()).as_bytes();
        let secrets = vec![StoredSecret { hash, kind: HashKind::Sha256, until_ms: None }];
        let scopes = vec!["admin".to_owned()];
        let (id, tenant) = (ADMIN_KEY_ID.to_owned(), TenantName::default_tenant());
        let key = StoredKey {
            id,
            tenant,
            scopes,
            bound: None,
            created_ms: 0,
            expires_ms: None,
            last_use_ms: None,
            secrets,
            revision: Revision::default(),
        };
        place.store.by(&Actor::Server).put_key(&key).unwrap();
        assert_eq!(place.start(), old);
        assert_eq!(place.hashes(), [place.hasher.hash(&old)]);
        assert_eq!(place.start(), old);
    }

    #[test]
    fn without_its_hash_key_the_admin_key_is_made_anew() {
        let mut place = Place::new();
        let first = place.start();
        place.hasher = KeyHasher::new([4; 32]);
        assert_ne!(place.start(), first);
    }
}
