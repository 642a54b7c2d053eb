//! The file with the key that secrets are sealed with.
//!
//! A line for each key: the first seals, all open. There are two only while one takes the other's place.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use modelet_spec::{Digest, SecretValue};
use modelet_store::{Seal, StoredSealed};
use zeroize::Zeroizing;

use super::seal::{KEY_BYTES, Of, SealKey};
use crate::private_file;

/// More than a file of keys has.
const FILE_BYTES_MAX: u64 = 4096;

/// The keys of a file, the one that seals first.
#[derive(Debug)]
pub(super) struct Keys {
    seals: SealKey,
    opens: Vec<SealKey>,
}

/// Why a secret does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// The key that sealed it is not in the file.
    NoKey,
    /// It is not what that key has sealed for this row.
    Damaged,
}

impl Keys {
    /// A new key alone.
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self { seals: random()?, opens: Vec::new() })
    }

    /// A new key, and those of before to open what they have sealed.
    pub(super) fn followed(&self) -> Result<Self, String> {
        let again = |key: &SealKey| parse(&key.hex());
        let opens = self.all().map(again).collect::<Option<Vec<_>>>();
        Ok(Self { seals: random()?, opens: opens.ok_or("a key could not be read again")? })
    }

    /// The first without those of before.
    pub(super) fn alone(&self) -> Result<Self, String> {
        let seals = parse(&self.seals.hex()).ok_or("a key could not be read again")?;
        Ok(Self { seals, opens: Vec::new() })
    }

    /// Reads the file; `None`: there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let mode = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("is open to others (mode {mode:03o}): run `chmod 600` on it"));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
        let keys = text.lines().filter(|line| !line.trim().is_empty()).map(|line| parse(line.trim()));
        let mut keys = keys.collect::<Option<Vec<_>>>().unwrap_or_default().into_iter();
        match keys.next() {
            Some(seals) => Ok(Some(Self { seals, opens: keys.collect() })),
            None => Err("is not lines of 64 hex digits: restore it from where it was copied to".to_owned()),
        }
    }

    /// Writes the file.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = Zeroizing::new(String::new());
        for key in self.all() {
            text.push_str(&key.hex());
            text.push('\n');
        }
        private_file::write(path, text.as_bytes()).map_err(|error| format!("cannot be written: {error}"))
    }

    pub(super) fn seal(&self, of: Of<'_>, value: &SecretValue) -> Option<Seal> {
        self.seals.seal(of, value)
    }

    pub(super) fn open(&self, stored: &StoredSealed) -> Result<SecretValue, Closed> {
        let key = self.all().find(|key| key.id() == stored.seal.key_id).ok_or(Closed::NoKey)?;
        key.open(Of::stored(stored), &stored.seal).ok_or(Closed::Damaged)
    }

    fn all(&self) -> impl Iterator<Item = &SealKey> {
        std::iter::once(&self.seals).chain(&self.opens)
    }
}

fn random() -> Result<SealKey, String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| format!("no random bytes for a key: {error}"))?;
    SealKey::new(*bytes).ok_or_else(|| "a new key was not taken".to_owned())
}

fn parse(hex: &str) -> Option<SealKey> {
    SealKey::new(*Digest::from_hex(hex)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_store::Revision;

    fn stored(keys: &Keys) -> StoredSealed {
        let (tenant, name) = ("acme".parse().unwrap(), "one".parse().unwrap());
        let of = Of { tenant: &tenant, name: &name, version: 1 };
        let seal = keys.seal(of, &SecretValue::new(b"s3cr3t".to_vec()).unwrap()).unwrap();
        StoredSealed { seal, tenant, name, version: 1, set_ms: 0, set_by: None, revision: Revision::default() }
    }

    #[test]
    fn keys_survive_their_file_which_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        assert!(Keys::read(&path).unwrap().is_none());
        let keys = Keys::new().unwrap();
        let secret = stored(&keys);
        keys.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Keys::read(&path).unwrap().unwrap();
        assert_eq!(again.open(&secret).unwrap().reveal(), "s3cr3t");
        assert_eq!(Keys::new().unwrap().open(&secret).unwrap_err(), Closed::NoKey);
        let swapped = StoredSealed { version: 2, ..secret };
        assert_eq!(again.open(&swapped).unwrap_err(), Closed::Damaged);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Keys::read(&path).unwrap_err().contains("chmod 600"));
        for damaged in ["", "00", "not a key\n"] {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, damaged).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(Keys::read(&path).unwrap_err().contains("64 hex digits"), "{damaged}");
        }
    }

    #[test]
    fn a_key_that_follows_another_opens_what_that_one_has_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let before = Keys::new().unwrap();
        let (old, both) = (stored(&before), before.followed().unwrap());
        both.write(&path).unwrap();
        let both = Keys::read(&path).unwrap().unwrap();
        let new = stored(&both);
        assert!(both.open(&old).is_ok() && both.open(&new).is_ok());
        let alone = both.alone().unwrap();
        assert!(alone.open(&new).is_ok());
        assert_eq!(alone.open(&old).unwrap_err(), Closed::NoKey);
    }
}
