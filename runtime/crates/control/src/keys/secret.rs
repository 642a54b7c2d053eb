//! Secrets, and the key that their hashes are made with.

use std::path::{Path, PathBuf};

use modelet_catalog::{KeyHasher, SECRET_PREFIX};
use modelet_spec::Digest;
use modelet_store::{Actor, HashKind, LostKey, Store, StoreError, StoredKey};

use crate::error::ControlError;
use crate::private_file;

/// The file in the data directory with what secrets are hashed under. It lies beside the database, not in it: who gets hold of a
/// copy of the database alone has nothing to compare guesses with. Without the file no key opens any more, so without it no server starts
/// that has keys.
pub const HASH_KEY_FILE: &str = "key-hash.key";
/// 256 bits: not to be guessed, so a quick hash at rest is enough.
const SECRET_BYTES: usize = 32;
/// Of a key's name: it must not be another's.
const ID_BYTES: usize = 6;

/// A new secret, known for one by how it begins.
pub(crate) fn new_secret() -> Result<String, ControlError> {
    Ok(format!("{SECRET_PREFIX}{}", Digest::from_bytes(random()?).hex()))
}

/// A name for a key; no secret.
pub(crate) fn new_id() -> Result<String, ControlError> {
    let hex = Digest::from_bytes(random()?).hex();
    Ok(format!("key-{}", hex.get(..2 * ID_BYTES).unwrap_or(&hex)))
}

/// What secrets are hashed with: read from its file, which is made where it is missing and no key is hashed with it. Else only if that is
/// said; then those keys are revoked. Blocks.
///
/// # Errors
/// The file is damaged, or cannot be read or written; or it is missing, and there are keys.
pub fn open_hasher(store: &Store, data_dir: &Path, lost: LostKey) -> Result<KeyHasher, ControlError> {
    let path = data_dir.join(HASH_KEY_FILE);
    if let Some(text) = read(&path)? {
        let digest = Digest::from_hex(text.trim()).ok_or_else(|| {
            failed(&path, "is not 64 hex digits: restore it, or remove it and start once with --renew-lost-keys")
        })?;
        return Ok(KeyHasher::new(*digest.as_bytes()));
    }
    let is_hashed = |key: &StoredKey| key.secrets.iter().any(|secret| secret.kind == HashKind::Blake3);
    let keys: Vec<StoredKey> = store.keys(None)?.into_iter().filter(is_hashed).collect();
    if !keys.is_empty() && lost == LostKey::Refuse {
        let why = format!(
            "is missing, and without it none of {} keys opens anything: restore it from the backup, or start once with \
             --renew-lost-keys, which revokes them all and makes another admin key",
            keys.len()
        );
        return Err(failed(&path, &why));
    }
    // Before the file is there: were the server killed in between, the next one would not take them for keys of the new one.
    for key in &keys {
        store.by(&Actor::Server).revoke_key(&key.tenant, &key.id)?;
        tracing::warn!(tenant = %key.tenant, key = key.id, file = %path.display(), "revoked a key: what it was hashed with is lost");
    }
    let key = random()?;
    stage(&path, &Digest::from_bytes(key).hex())?.put()?;
    Ok(KeyHasher::new(key))
}

fn random() -> Result<[u8; SECRET_BYTES], ControlError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| ControlError::Internal(format!("no random bytes for a key: {e}")))?;
    Ok(bytes)
}

/// What a secret's file says; `None`: it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, ControlError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(path, &format!("cannot be read: {e}; remove it to get a new one"))),
    }
}

/// Writes a secret beside the file that it is for.
pub(super) fn stage(path: &Path, secret: &str) -> Result<Staged, ControlError> {
    let staged = private_file::stage(path, format!("{secret}\n").as_bytes());
    Ok(Staged { staged: staged.map_err(|e| unwritten(path, &e))?, path: path.to_owned() })
}

/// A secret on the disk, beside its place.
pub(super) struct Staged {
    staged: private_file::Staged,
    path: PathBuf,
}

impl Staged {
    /// Puts it in its place.
    pub(super) fn put(self) -> Result<(), ControlError> {
        self.staged.put().map_err(|e| unwritten(&self.path, &e))
    }
}

/// What the caller of the API may know of it is what the store says of such a failure.
fn unwritten(path: &Path, error: &std::io::Error) -> ControlError {
    let store = StoreError::Io { doing: "write", path: path.to_owned(), source: error.kind().into() };
    if store.is_full() || store.is_read_only() {
        return store.into();
    }
    failed(path, &format!("cannot be written: {error}; check the data directory"))
}

fn failed(path: &Path, message: &str) -> ControlError {
    ControlError::Key { path: path.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_known_by_their_beginning_and_have_256_bits() {
        let secrets: BTreeSet<String> = (0..100).map(|_| new_secret().unwrap()).collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| secret.strip_prefix(SECRET_PREFIX).unwrap().len() == 64));
        assert_ne!(new_id().unwrap(), new_id().unwrap());
    }

    #[test]
    fn the_hash_key_is_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let open = |lost| open_hasher(&store, dir.path(), lost);
        let first = open(LostKey::Refuse).unwrap().hash("x");
        assert_eq!(open(LostKey::Renew).unwrap().hash("x"), first);
        let file = dir.path().join(HASH_KEY_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "damaged").unwrap();
        assert!(open(LostKey::Renew).unwrap_err().to_string().contains("64 hex digits"));
        std::fs::remove_file(&file).unwrap();
        assert_ne!(open(LostKey::Refuse).unwrap().hash("x"), first, "nothing was hashed with it");
    }

    #[test]
    fn keys_whose_hash_key_is_lost_are_revoked_only_if_that_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let key = |id: &str, kind: HashKind, hash: u8| StoredKey {
            id: id.to_owned(),
            tenant: modelet_spec::TenantName::default_tenant(),
            scopes: vec!["read".to_owned()],
            bound: None,
            created_ms: 0,
            expires_ms: None,
            last_use_ms: None,
            secrets: vec![modelet_store::StoredSecret { hash: [hash; 32], kind, until_ms: None }],
            revision: modelet_store::Revision::default(),
        };
        for key in [key("old", HashKind::Sha256, 1), key("new", HashKind::Blake3, 2)] {
            store.by(&Actor::Server).create_key(&key).unwrap();
        }
        let told = open_hasher(&store, dir.path(), LostKey::Refuse).unwrap_err().to_string();
        for word in [HASH_KEY_FILE, "none of 1 keys", "backup", "--renew-lost-keys"] {
            assert!(told.contains(word), "{told}");
        }
        assert!(!dir.path().join(HASH_KEY_FILE).exists());
        open_hasher(&store, dir.path(), LostKey::Renew).unwrap();
        let left: Vec<String> = store.keys(None).unwrap().into_iter().map(|key| key.id).collect();
        assert_eq!(left, ["old"], "that one needs no file");
        open_hasher(&store, dir.path(), LostKey::Refuse).unwrap();
    }
}
