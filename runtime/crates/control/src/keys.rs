//! The admin key: made at the first start, read by the CLI on the same machine, hashed in the store.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use modelet_spec::{Digest, TenantName};
use modelet_store::{Store, StoredKey};

use crate::error::ControlError;

/// The key's file in the data directory.
pub const ADMIN_KEY_FILE: &str = "admin.key";
/// The key's id: what logs and guests may see of it.
const ADMIN_KEY_ID: &str = "admin";
/// 256 bits: not to be guessed, so a plain hash at rest is enough.
const SECRET_BYTES: usize = 32;

/// Makes sure that the admin key's file and the store agree; makes a new key if not.
///
/// Who removes the file and restarts the server gets a new key, and the old one is worth nothing any more.
pub(crate) fn ensure_admin_key(store: &Store, data_dir: &Path) -> Result<(), ControlError> {
    let path = data_dir.join(ADMIN_KEY_FILE);
    let known = store.keys()?.into_iter().find(|k| k.id == ADMIN_KEY_ID);
    let written = read(&path)?;
    if let (Some(known), Some(secret)) = (known, written)
        && known.hash == hash(secret.trim())
    {
        return Ok(());
    }
    let secret = new_secret()?;
    write(&path, &secret)?;
    store.put_key(&StoredKey {
        id: ADMIN_KEY_ID.to_owned(),
        tenant: TenantName::default_tenant(),
        scopes: vec!["admin".to_owned()],
        hash: hash(&secret),
    })?;
    tracing::info!(file = %path.display(), "made the admin key");
    Ok(())
}

/// What the store keeps of a secret.
fn hash(secret: &str) -> [u8; 32] {
    *Digest::of(secret.as_bytes()).as_bytes()
}

fn new_secret() -> Result<String, ControlError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| ControlError::Internal(format!("no random bytes for a key: {e}")))?;
    Ok(Digest::from_bytes(bytes).hex())
}

fn read(path: &Path) -> Result<Option<String>, ControlError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(path, &format!("cannot be read: {e}; remove it to get a new one"))),
    }
}

/// Written aside and renamed, so that nobody reads half a key; 0600 from the first byte.
fn write(path: &Path, secret: &str) -> Result<(), ControlError> {
    let aside: PathBuf = path.with_extension("key.new");
    let result = (|| {
        match std::fs::remove_file(&aside) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        writeln!(file, "{secret}")?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    })();
    result.map_err(|e| failed(path, &format!("cannot be written: {e}; check the data directory")))
}

fn failed(path: &Path, message: &str) -> ControlError {
    ControlError::Key { path: path.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_private_stays_and_is_replaced_when_its_file_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let store = Store::open(&data_dir).unwrap();
        let file = data_dir.join(ADMIN_KEY_FILE);
        let start = || {
            ensure_admin_key(&store, &data_dir).unwrap();
            std::fs::read_to_string(&file).unwrap()
        };
        let first = start();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.trim().len(), 2 * SECRET_BYTES);
        assert_eq!(start(), first);
        std::fs::remove_file(&file).unwrap();
        let second = start();
        assert_ne!(second, first);
        let keys = store.keys().unwrap();
        assert_eq!(keys.len(), 1, "the old key is worth nothing");
        assert_eq!(keys[0].hash, hash(second.trim()));
    }

    #[test]
    fn a_file_that_the_store_does_not_know_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let store = Store::open(&data_dir).unwrap();
        std::fs::write(data_dir.join(ADMIN_KEY_FILE), "chosen by somebody").unwrap();
        ensure_admin_key(&store, &data_dir).unwrap();
        assert_ne!(std::fs::read_to_string(data_dir.join(ADMIN_KEY_FILE)).unwrap(), "chosen by somebody");
    }
}
