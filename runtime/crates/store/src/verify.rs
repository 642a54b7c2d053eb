//! Whether what is kept is whole: the databases by SQLite's own checks, contents by their digests.

use crate::db::{Db, parsed};
use crate::error::StoreError;
use crate::files;
use crate::store::Store;
use modelet_spec::{Digest, TenantName};
use rusqlite::Transaction;

/// What a check of everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Contents that the metadata names and that are what their names say.
    pub contents: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What is wrong, a line each; none: everything is whole.
    pub faults: Vec<String>,
}

impl Store {
    /// Checks both databases, and compares every content that something names with its digest. Reads every byte, so it takes
    /// as long as the disk does. Compiled code and optimised forms are not looked at: they are compared whenever they are used,
    /// and made again.
    ///
    /// # Errors
    /// When the metadata cannot be read at all, or the disk fails. What is damaged is no error, but a fault.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        for (name, db) in [("modelet.db", &self.db), ("keyvalue.db", &self.pairs), ("usage.db", &self.books)] {
            let faults = whole(database_faults(db), &mut verified)?.unwrap_or_default();
            verified.faults.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        }
        if let Some(fault) = whole(self.verify_audit(None), &mut verified)?.and_then(|audit| audit.fault) {
            verified.faults.push(format!("modelet.db: audit: {fault}"));
        }
        for (tenant, digest) in whole(self.db.read(named), &mut verified)?.unwrap_or_default() {
            self.verify_content(&tenant, &digest, &mut verified)?;
        }
        Ok(verified)
    }

    fn verify_content(&self, tenant: &TenantName, digest: &Digest, verified: &mut Verified) -> Result<(), StoreError> {
        let path = self.blob_path(tenant, digest);
        match files::digest_of(&path)? {
            None => verified.faults.push(format!("{} is missing: push it again", path.display())),
            Some((found, bytes)) if found == *digest => {
                verified.contents += 1;
                verified.bytes += bytes;
            }
            Some((found, _)) => verified.faults.push(StoreError::DamagedBlob { path, found }.to_string()),
        }
        Ok(())
    }
}

/// What was read of a database; nothing, and a fault, where it is too damaged to be read.
fn whole<T>(read: Result<T, StoreError>, verified: &mut Verified) -> Result<Option<T>, StoreError> {
    match read {
        Err(damaged @ StoreError::DamagedDatabase { .. }) => {
            verified.faults.push(damaged.to_string());
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// What SQLite finds: pages, indexes, and rows that name what is not there.
fn database_faults(db: &Db) -> Result<Vec<String>, StoreError> {
    db.read(|tx| {
        let mut query = tx.prepare("PRAGMA integrity_check")?;
        let said = query.query_map([], |row| row.get::<_, String>(0))?;
        let mut faults: Vec<String> =
            said.filter(|said| !said.as_ref().is_ok_and(|said| said == "ok")).collect::<Result<_, _>>()?;
        let mut query = tx.prepare("PRAGMA foreign_key_check")?;
        let strays = query.query_map([], |row| {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            Ok(format!("a row of {table} names a row of {parent} that is not there"))
        })?;
        faults.extend(strays.collect::<Result<Vec<_>, _>>()?);
        Ok(faults)
    })
}

/// Every content that something of a tenant's names.
fn named(tx: &Transaction<'_>) -> Result<Vec<(TenantName, Digest)>, StoreError> {
    let mut query = tx.prepare(
        "SELECT tenant, digest FROM upload
         UNION SELECT v.tenant, f.digest FROM model_file f JOIN model_version v ON v.id = f.model
         JOIN tenant t ON t.name = v.tenant WHERE t.removed_ms IS NULL
         UNION SELECT f.tenant, f.component FROM function_version f JOIN tenant t ON t.name = f.tenant
             WHERE f.removed_ms IS NULL AND t.removed_ms IS NULL",
    )?;
    let rows = query.query_map([], |row| Ok((parsed(row, "tenant")?, parsed(row, "digest")?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::params;
    use std::path::Path;

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        (dir, store)
    }

    fn upload(store: &Store, bytes: &[u8]) -> Digest {
        store.put_blob(&TenantName::default_tenant(), bytes, 1 << 20).unwrap()
    }

    #[test]
    fn what_is_whole_is_counted() {
        let (_dir, store) = open();
        upload(&store, b"one");
        upload(&store, b"another");
        assert_eq!(store.verify().unwrap(), Verified { contents: 2, bytes: 10, faults: Vec::new() });
    }

    #[test]
    fn contents_that_changed_or_went_are_told_by_their_path() {
        let (_dir, store) = open();
        let tenant = TenantName::default_tenant();
        let [changed, gone] = [upload(&store, b"one"), upload(&store, b"another")];
        let [changed, gone] = [changed, gone].map(|digest| store.blob_path(&tenant, &digest));
        std::fs::write(&changed, "onf").unwrap();
        std::fs::remove_file(&gone).unwrap();
        let verified = store.verify().unwrap();
        assert_eq!(verified.contents, 0);
        let has = |path: &Path, word: &str| {
            verified.faults.iter().any(|fault| fault.contains(&path.display().to_string()) && fault.contains(word))
        };
        assert!(has(&changed, "damaged") && has(&gone, "missing"), "{:?}", verified.faults);
        assert_eq!(verified.faults.len(), 2);
    }

    #[test]
    fn rows_that_name_nothing_are_told_by_their_table() {
        let (_dir, store) = open();
        let connection = rusqlite::Connection::open(store.data_dir().join("modelet.db")).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        let stray = "INSERT INTO upload (tenant, digest, bytes, at_ms) VALUES (?1, ?2, 1, 0)";
        connection.execute(stray, params!["nobody", Digest::of(b"x").to_string()]).unwrap();
        let faults = store.verify().unwrap().faults;
        assert!(faults.iter().any(|fault| fault.contains("upload") && fault.contains("tenant")), "{faults:?}");
    }
}
