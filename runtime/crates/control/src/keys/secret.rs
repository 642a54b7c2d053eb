//! Secrets, and the key that their hashes are made with.

use std::path::{Path, PathBuf};

use modelet_catalog::{KeyHasher, SECRET_PREFIX};
use modelet_spec::Digest;
use modelet_store::StoreError;

use crate::error::ControlError;
use crate::private_file;

/// The file in the data directory with what secrets are hashed under. It lies beside the database, not in it: who gets hold of a
/// copy of the database alone has nothing to compare guesses with. Without the file no key but the admin's opens any more.
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

/// What secrets are hashed with: read from its file, which is made where it is missing.
pub(crate) fn open_hasher(data_dir: &Path) -> Result<KeyHasher, ControlError> {
    let path = data_dir.join(HASH_KEY_FILE);
    if let Some(text) = read(&path)? {
        let digest: Result<Digest, _> = format!("sha256:{}", text.trim()).parse();
        let digest = digest
            .map_err(|_| failed(&path, "is not 64 hex digits: restore it, or remove it and make all keys anew"))?;
        return Ok(KeyHasher::new(*digest.as_bytes()));
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
        let first = open_hasher(dir.path()).unwrap().hash("x");
        assert_eq!(open_hasher(dir.path()).unwrap().hash("x"), first);
        let file = dir.path().join(HASH_KEY_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "damaged").unwrap();
        assert!(open_hasher(dir.path()).unwrap_err().to_string().contains("64 hex digits"));
        std::fs::remove_file(&file).unwrap();
        assert_ne!(open_hasher(dir.path()).unwrap().hash("x"), first);
    }
}
