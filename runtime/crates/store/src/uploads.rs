//! What tenants send: streamed to the disk under the tenant's quota, and theirs to name afterwards.
//!
//! Each tenant is counted in full for what it has, whoever else has the same bytes. A content counts once for each tenant,
//! in however many of its versions it is. What no version holds is forgotten after a while ([`Store::collect`]).

use crate::blobs::BlobWriter;
use crate::db::{to_i64, unsigned};
use crate::error::StoreError;
use crate::events::now_ms;
use crate::store::Store;
use crate::tenants;
use modelet_spec::{Digest, TenantName};
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes on their way, by tenant.
pub(crate) type InFlight = Arc<Mutex<HashMap<TenantName, u64>>>;

/// A content on its way. Dropped before [`Store::finish_upload`], it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    writer: BlobWriter,
    counted: Counted,
    quota_bytes: u64,
    /// What the tenant had when the upload began.
    used_bytes: u64,
}

/// The bytes of one upload in the sum of its tenant's; dropping it takes them out.
#[derive(Debug)]
pub(crate) struct Counted {
    tenant: TenantName,
    in_flight: InFlight,
    bytes: u64,
}

impl Store {
    /// Begins a content of a tenant that may have `quota_bytes` in all.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or no file can be made.
    pub fn begin_upload(&self, tenant: &TenantName, quota_bytes: u64) -> Result<Upload, StoreError> {
        let used_bytes = self.used_bytes(tenant)?;
        let writer = self.begin_blob()?;
        let counted = Counted::new(tenant, Arc::clone(&self.in_flight));
        Ok(Upload { writer, counted, quota_bytes, used_bytes })
    }

    /// Ends a content: it is on the disk, and its tenant may name it, when this returns. Also returns its length in bytes.
    ///
    /// # Errors
    /// [`StoreError::Quota`], [`StoreError::NoTenant`], or it cannot be written; then nothing is left of it.
    pub fn finish_upload(&self, upload: Upload) -> Result<(Digest, u64), StoreError> {
        let Upload { writer, counted, quota_bytes, used_bytes } = upload;
        let (tenant, bytes) = (&counted.tenant, writer.bytes);
        let digest = self.keep_blob(tenant, writer)?;
        self.db.write(|tx| {
            tenants::require(tx, tenant)?;
            let mut upsert = tx.prepare_cached(
                "INSERT INTO upload (tenant, digest, bytes, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (tenant, digest) DO UPDATE SET at_ms = ?4",
            )?;
            let length = to_i64(bytes, "a content's length")?;
            upsert.execute(params![tenant.as_str(), digest.to_string(), length, now_ms()])?;
            // Uploads at the same time could not see each other's sum when they began.
            match used(tx, tenant)? {
                wanted_bytes if wanted_bytes > quota_bytes => {
                    Err(StoreError::Quota { quota_bytes, used_bytes, wanted_bytes })
                }
                _ => Ok((digest, bytes)),
            }
        })
    }

    /// Keeps a content that is in memory; the same as an upload in one piece.
    ///
    /// # Errors
    /// Those of [`Store::begin_upload`] and [`Store::finish_upload`].
    pub fn put_blob(&self, tenant: &TenantName, bytes: &[u8], quota_bytes: u64) -> Result<Digest, StoreError> {
        let mut upload = self.begin_upload(tenant, quota_bytes)?;
        upload.write(bytes)?;
        Ok(self.finish_upload(upload)?.0)
    }

    /// How many bytes a tenant has: of its versions of models and of what it has uploaded for the next ones.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or the metadata cannot be read.
    pub fn used_bytes(&self, tenant: &TenantName) -> Result<u64, StoreError> {
        self.db.read(|tx| {
            tenants::require(tx, tenant)?;
            used(tx, tenant)
        })
    }

    /// Whether a tenant may name a content: it has sent it, or has a version that holds it. What other tenants have is
    /// never said.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn holds(&self, tenant: &TenantName, digest: &Digest) -> Result<bool, StoreError> {
        self.db.read(|tx| holds(tx, tenant, digest))
    }
}

impl Upload {
    /// Takes in more bytes.
    ///
    /// # Errors
    /// [`StoreError::Quota`], or they cannot be written.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        let (quota_bytes, used_bytes) = (self.quota_bytes, self.used_bytes);
        let wanted_bytes = used_bytes.saturating_add(self.counted.add(piece.len() as u64));
        if wanted_bytes > quota_bytes {
            return Err(StoreError::Quota { quota_bytes, used_bytes, wanted_bytes });
        }
        self.writer.write(piece)
    }
}

impl Counted {
    /// Nothing yet.
    pub(crate) fn new(tenant: &TenantName, in_flight: InFlight) -> Self {
        Self { tenant: tenant.clone(), in_flight, bytes: 0 }
    }

    /// Counts more bytes; returns the sum of all uploads of the tenant.
    pub(crate) fn add(&mut self, more: u64) -> u64 {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = in_flight.entry(self.tenant.clone()).or_default();
        *sum = sum.saturating_add(more);
        self.bytes = self.bytes.saturating_add(more);
        *sum
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sum) = in_flight.get_mut(&self.tenant) {
            *sum = sum.saturating_sub(self.bytes);
            if *sum == 0 {
                in_flight.remove(&self.tenant);
            }
        }
    }
}

/// Bytes of a tenant's versions of models and of what it has uploaded.
pub(crate) fn used(tx: &Transaction<'_>, tenant: &TenantName) -> Result<u64, StoreError> {
    // UNION leaves out what is there twice: a content counts once.
    let mut query = tx.prepare_cached(
        "SELECT coalesce(sum(bytes), 0) AS bytes FROM (
             SELECT f.digest, f.bytes FROM model_file f JOIN model_version v ON v.id = f.model
                 WHERE v.tenant = ?1 AND v.removed_ms IS NULL
             UNION SELECT digest, bytes FROM upload WHERE tenant = ?1)",
    )?;
    Ok(query.query_row([tenant.as_str()], |row| unsigned(row, "bytes"))?)
}

/// Whether a tenant has sent a content, or has a version that holds it.
pub(crate) fn holds(tx: &Transaction<'_>, tenant: &TenantName, digest: &Digest) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT 1 FROM upload WHERE tenant = ?1 AND digest = ?2
         UNION ALL SELECT 1 FROM model_file f JOIN model_version v ON v.id = f.model
             WHERE v.tenant = ?1 AND f.digest = ?2 AND v.removed_ms IS NULL
         UNION ALL SELECT 1 FROM function_version WHERE tenant = ?1 AND component = ?2 AND removed_ms IS NULL
         LIMIT 1",
    )?;
    Ok(query.query_row((tenant.as_str(), digest.to_string()), |_| Ok(())).optional()?.is_some())
}

/// Forgets that a content was sent, because a version holds it from now on.
pub(crate) fn settle(tx: &Transaction<'_>, tenant: &TenantName, digest: &Digest) -> Result<(), StoreError> {
    let mut delete = tx.prepare_cached("DELETE FROM upload WHERE tenant = ?1 AND digest = ?2")?;
    delete.execute((tenant.as_str(), digest.to_string()))?;
    Ok(())
}
