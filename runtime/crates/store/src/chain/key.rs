//! What the chain is made with.

use crate::error::{StoreError, io_at};
use crate::files::Aside;
use blake3::Hasher;
use modelet_spec::Digest;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The key's file in the data directory, 0600.
pub(crate) const AUDIT_KEY_FILE: &str = "audit.key";

/// What happens where the file of a key is missing and something was made with that key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LostKey {
    /// Nothing begins: the file may be in a backup.
    #[default]
    Refuse,
    /// It goes on with a new one, and what was made with the old one is worth nothing.
    Renew,
}

/// What the chain is made with.
pub(crate) struct ChainKey {
    key: [u8; 32],
    is_new: bool,
}

impl ChainKey {
    /// Reads the key. Where there is none it is made, unless rows are `chained` with the one that is missing: then only if that is said.
    pub(crate) fn open(data_dir: &Path, chained: bool, lost: LostKey) -> Result<Self, StoreError> {
        let path = data_dir.join(AUDIT_KEY_FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return match lost {
                    LostKey::Refuse if chained => Err(StoreError::AuditKeyLost(path)),
                    LostKey::Refuse | LostKey::Renew => Self::make(data_dir, &path),
                };
            }
            read => read.map_err(io_at("read", &path))?,
        };
        let digest = Digest::from_hex(text.trim()).ok_or(StoreError::AuditKey(path))?;
        Ok(Self { key: *digest.as_bytes(), is_new: false })
    }

    fn make(data_dir: &Path, path: &Path) -> Result<Self, StoreError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| io_at("make", path)(std::io::Error::other(error.to_string())))?;
        let mut aside = Aside::begin(data_dir)?;
        writeln!(aside.file, "{}", Digest::from_bytes(key).hex()).map_err(io_at("write", path))?;
        aside.keep(path)?;
        Ok(Self { key, is_new: true })
    }

    /// Whether it was made just now.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// A hasher for one kind of thing: what is hashed for one is never another's.
    pub(super) fn hasher(&self, what: &[u8; 4]) -> Hasher {
        let mut hasher = Hasher::new_keyed(&self.key);
        hasher.update(what);
        hasher
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey")
    }
}
