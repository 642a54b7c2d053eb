//! What nobody holds any more leaves the disk.
//!
//! A file goes when no version and no upload names it and it is older than the grace period: what is being written has no
//! name yet. Versions that were removed name theirs as long as the history goes back: they can be gone back to. Whether it is named is asked again in the transaction in which it goes, so a push at the same moment either
//! finds the file or has it sent again.

use crate::blobs::{BY_TENANT, scope_folder};
use crate::db::parsed;
use crate::error::{StoreError, io_at};
use crate::events::now_ms;
use crate::history::forget;
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

/// What stays although nothing names it.
#[derive(Debug, Clone, Copy)]
struct Keep {
    /// What is younger.
    grace: Duration,
    /// What was removed later, in milliseconds since 1970.
    kept_ms: i64,
}

/// A file or folder whose name is a digest.
struct Named {
    path: PathBuf,
    digest: Digest,
    bytes: u64,
}

impl Store {
    /// Forgets uploads that are older than `grace`, and removes contents and folders that nothing names and that are older. What
    /// ended longer ago than `history` is forgotten, and what was removed until then names nothing any more.
    ///
    /// # Errors
    /// When the metadata or the disk cannot be read or written; what was removed until then stays removed.
    pub fn collect(&self, grace: Duration, history: Duration) -> Result<Collected, StoreError> {
        let before_ms = ago_ms(grace);
        self.db.write(|tx| Ok(tx.execute("DELETE FROM upload WHERE at_ms <= ?1", [before_ms])?))?;
        let kept_ms = ago_ms(history);
        self.db.write(|tx| forget(tx, kept_ms))?;
        let keep = Keep { grace, kept_ms };
        let mut collected = self.collect_scope(None, keep)?;
        for tenant in self.tenants_ever()? {
            let of_tenant = self.collect_scope(Some(&tenant), keep)?;
            collected.files += of_tenant.files;
            collected.bytes += of_tenant.bytes;
        }
        self.collect_optimised(grace)?;
        self.collect_compiled(keep)?;
        self.forget_pairs()?;
        self.forget_requests()?;
        Ok(collected)
    }

    /// The code of components that no version names goes with them.
    fn collect_compiled(&self, keep: Keep) -> Result<(), StoreError> {
        for path in entries(&self.data_dir().join("compiled"))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(component) = name.split_once('-').and_then(|(hex, _)| Digest::from_hex(hex)) else { continue };
            let is_old = || old_age(&path).is_some_and(|age| age >= keep.grace);
            if is_old() && !self.db.read(|tx| is_component(tx, None, &component, keep))? {
                fs::remove_file(&path).map_err(io_at("remove", &path))?;
            }
        }
        Ok(())
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
        let is_old = |path: &PathBuf| old_age(path).is_some_and(|age| age >= grace);
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

    fn collect_scope(&self, scope: Option<&TenantName>, keep: Keep) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for part in entries(&scope_folder(self.data_dir(), "blobs", scope))? {
            if part.ends_with(BY_TENANT) || !part.is_dir() {
                continue;
            }
            for blob in old(&part, keep.grace)? {
                if self.db.read(|tx| is_named(tx, scope, &blob.digest, keep))? {
                    continue;
                }
                self.db.write(|tx| match is_named(tx, scope, &blob.digest, keep)? {
                    true => Ok(()),
                    false => fs::remove_file(&blob.path).map_err(io_at("remove", &blob.path)),
                })?;
                collected.files += 1;
                collected.bytes += blob.bytes;
            }
        }
        // A folder of links: the bytes are those of the contents.
        for folder in old(&scope_folder(self.data_dir(), "folders", scope), keep.grace)? {
            self.db.write(|tx| match is_content(tx, scope, &folder.digest)? {
                true => Ok(()),
                false => fs::remove_dir_all(&folder.path).map_err(io_at("remove", &folder.path)),
            })?;
        }
        Ok(collected)
    }
}

/// Whether a version or an upload names a content: one of this tenant, or of any.
fn is_named(tx: &Transaction<'_>, scope: Option<&TenantName>, digest: &Digest, keep: Keep) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT 1 FROM upload WHERE digest = ?1 AND (?2 IS NULL OR tenant = ?2)
         UNION ALL SELECT 1 FROM model_file f JOIN model_version v ON v.id = f.model JOIN tenant t ON t.name = v.tenant
             WHERE f.digest = ?1 AND t.removed_ms IS NULL AND (?2 IS NULL OR v.tenant = ?2)
         LIMIT 1",
    )?;
    let found = query.query_row(params![digest.to_string(), scope.map(TenantName::as_str)], |_| Ok(()));
    Ok(found.optional()?.is_some() || is_component(tx, scope, digest, keep)?)
}

/// Whether a version of a function has this component, or had it as far as the history goes back.
fn is_component(
    tx: &Transaction<'_>,
    scope: Option<&TenantName>,
    digest: &Digest,
    keep: Keep,
) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT 1 FROM function_version f JOIN tenant t ON t.name = f.tenant
         WHERE f.component = ?1 AND t.removed_ms IS NULL AND (?2 IS NULL OR f.tenant = ?2)
         AND (f.removed_ms IS NULL OR f.removed_ms > ?3) LIMIT 1",
    )?;
    let of = params![digest.to_string(), scope.map(TenantName::as_str), keep.kept_ms];
    Ok(query.query_row(of, |_| Ok(())).optional()?.is_some())
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
        let digest = Digest::from_hex(path.file_name()?.to_str()?)?;
        let metadata = fs::symlink_metadata(&path).ok()?;
        // A time to come is a clock that was set back; such a file waits.
        let age = now.duration_since(metadata.modified().ok()?).ok()?;
        (age >= grace).then_some(Named { path, digest, bytes: metadata.len() })
    });
    Ok(named.collect())
}

/// How long ago a file was changed; `None`: nobody knows, or it is to come.
fn old_age(path: &Path) -> Option<Duration> {
    SystemTime::now().duration_since(fs::symlink_metadata(path).ok()?.modified().ok()?).ok()
}

/// The time so long ago, in milliseconds since 1970.
fn ago_ms(span: Duration) -> i64 {
    now_ms().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// The paths in a folder; none if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(io_at("list", folder))?,
    };
    listed.map(|entry| Ok(entry.map_err(io_at("list", folder))?.path())).collect()
}
