//! What nobody holds any more leaves the disk.
//!
//! A file goes when no version and no upload names it and it is older than the grace period: what is being written has no
//! name yet. Whether it is named is asked again in the transaction in which it goes, so a push at the same moment either
//! finds the file or has it sent again.

use crate::blobs::{BY_TENANT, scope_folder};
use crate::db::parsed;
use crate::error::{StoreError, io_at};
use crate::events::now_ms;
use crate::store::Store;
use modelet_spec::{Digest, TenantName};
use rusqlite::{OptionalExtension, Transaction, params};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a collection took from the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many contents.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// A file or folder whose name is a digest.
struct Named {
    path: PathBuf,
    digest: Digest,
    bytes: u64,
}

impl Store {
    /// Forgets uploads that are older than `grace`, and removes contents and folders that nothing names and that are older.
    ///
    /// # Errors
    /// When the metadata or the disk cannot be read or written; what was removed until then stays removed.
    pub fn collect(&self, grace: Duration) -> Result<Collected, StoreError> {
        let before_ms = now_ms().saturating_sub(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX));
        self.db.write(|tx| Ok(tx.execute("DELETE FROM upload WHERE at_ms <= ?1", [before_ms])?))?;
        let mut collected = self.collect_scope(None, grace)?;
        for tenant in self.tenants_ever()? {
            let of_tenant = self.collect_scope(Some(&tenant), grace)?;
            collected.files += of_tenant.files;
            collected.bytes += of_tenant.bytes;
        }
        self.collect_optimised(grace)?;
        self.forget_pairs()?;
        Ok(collected)
    }

    /// Optimised forms go with the content that they were made of. One that is made again costs a trial, no more.
    fn collect_optimised(&self, grace: Duration) -> Result<(), StoreError> {
        let orphans: Vec<Digest> = self.db.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT DISTINCT model FROM optimised WHERE model NOT IN
                 (SELECT digest FROM model_version WHERE removed_ms IS NULL)",
            )?;
            let rows = query.query_map([], |row| parsed(row, "model"))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        let forms = entries(&self.data_dir().join("optimised"))?;
        let is_old = |path: &PathBuf| {
            let changed = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok();
            changed.and_then(|changed| SystemTime::now().duration_since(changed).ok()).is_some_and(|age| age >= grace)
        };
        for model in orphans {
            let hex = model.hex();
            let of_model = |path: &&PathBuf| {
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&hex))
            };
            // A push whose trial has just ended has no version yet.
            if forms.iter().filter(of_model).all(is_old) {
                self.forget_optimised(&model)?;
            }
        }
        Ok(())
    }

    fn collect_scope(&self, scope: Option<&TenantName>, grace: Duration) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for part in entries(&scope_folder(self.data_dir(), "blobs", scope))? {
            if part.ends_with(BY_TENANT) || !part.is_dir() {
                continue;
            }
            for blob in old(&part, grace)? {
                if self.db.read(|tx| is_named(tx, scope, &blob.digest))? {
                    continue;
                }
                self.db.write(|tx| match is_named(tx, scope, &blob.digest)? {
                    true => Ok(()),
                    false => fs::remove_file(&blob.path).map_err(io_at("remove", &blob.path)),
                })?;
                collected.files += 1;
                collected.bytes += blob.bytes;
            }
        }
        // A folder of links: the bytes are those of the contents.
        for folder in old(&scope_folder(self.data_dir(), "folders", scope), grace)? {
            self.db.write(|tx| match is_content(tx, scope, &folder.digest)? {
                true => Ok(()),
                false => fs::remove_dir_all(&folder.path).map_err(io_at("remove", &folder.path)),
            })?;
        }
        Ok(collected)
    }
}

/// Whether a version or an upload names a content: one of this tenant, or of any.
fn is_named(tx: &Transaction<'_>, scope: Option<&TenantName>, digest: &Digest) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT 1 FROM upload WHERE digest = ?1 AND (?2 IS NULL OR tenant = ?2)
         UNION ALL SELECT 1 FROM model_file f JOIN model_version v ON v.id = f.model
             WHERE f.digest = ?1 AND (?2 IS NULL OR v.tenant = ?2)
         UNION ALL SELECT 1 FROM function_version f JOIN tenant t ON t.name = f.tenant
             WHERE f.component = ?1 AND t.removed_ms IS NULL AND (?2 IS NULL OR f.tenant = ?2)
         LIMIT 1",
    )?;
    let found = query.query_row(params![digest.to_string(), scope.map(TenantName::as_str)], |_| Ok(()));
    Ok(found.optional()?.is_some())
}

/// Whether a version has this content.
fn is_content(tx: &Transaction<'_>, scope: Option<&TenantName>, digest: &Digest) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT 1 FROM model_version WHERE digest = ?1 AND removed_ms IS NULL AND (?2 IS NULL OR tenant = ?2) LIMIT 1",
    )?;
    let found = query.query_row(params![digest.to_string(), scope.map(TenantName::as_str)], |_| Ok(()));
    Ok(found.optional()?.is_some())
}

/// What in a folder is named by a digest and was last changed before the grace period.
fn old(folder: &Path, grace: Duration) -> Result<Vec<Named>, StoreError> {
    let now = SystemTime::now();
    let named = entries(folder)?.into_iter().filter_map(|path| {
        let digest = format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()?;
        let metadata = fs::symlink_metadata(&path).ok()?;
        // A time to come is a clock that was set back; such a file waits.
        let age = now.duration_since(metadata.modified().ok()?).ok()?;
        (age >= grace).then_some(Named { path, digest, bytes: metadata.len() })
    });
    Ok(named.collect())
}

/// The paths in a folder; none if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(io_at("list", folder))?,
    };
    listed.map(|entry| Ok(entry.map_err(io_at("list", folder))?.path())).collect()
}
