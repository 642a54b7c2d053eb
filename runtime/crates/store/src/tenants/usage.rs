//! What a tenant has.

use super::require;
use crate::db::unsigned;
use crate::error::StoreError;
use crate::store::Store;
use crate::uploads;
use modelet_spec::TenantName;
use rusqlite::{OptionalExtension, Transaction};

/// What a tenant has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantUse {
    /// Functions.
    pub functions: u32,
    /// Models, whatever the number of their versions.
    pub models: u32,
    /// Bytes of models, and of what it has sent for the next ones.
    pub model_bytes: u64,
    /// Secrets.
    pub secrets: u32,
    /// Keys that its functions keep.
    pub keyvalue_keys: u64,
    /// Bytes of these keys and their values.
    pub keyvalue_bytes: u64,
}

impl Store {
    /// What a tenant has.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or the databases cannot be read.
    pub fn tenant_use(&self, tenant: &TenantName) -> Result<TenantUse, StoreError> {
        let kept = self.pairs.read(|tx| {
            let mut query = tx.prepare_cached("SELECT keys, bytes FROM account WHERE tenant = ?1")?;
            let row = query.query_row([tenant.as_str()], |row| Ok((unsigned(row, "keys")?, unsigned(row, "bytes")?)));
            Ok(row.optional()?.unwrap_or_default())
        })?;
        self.db.read(|tx| {
            require(tx, tenant)?;
            Ok(TenantUse {
                functions: functions(tx, tenant)?,
                models: models(tx, tenant)?,
                model_bytes: uploads::used(tx, tenant)?,
                secrets: secrets(tx, tenant)?,
                keyvalue_keys: kept.0,
                keyvalue_bytes: kept.1,
            })
        })
    }
}

/// How many functions a tenant has.
pub(crate) fn functions(tx: &Transaction<'_>, tenant: &TenantName) -> Result<u32, StoreError> {
    let counted = "SELECT count(*) FROM function_alias WHERE tenant = ?1 AND alias = 'live'";
    Ok(tx.prepare_cached(counted)?.query_row([tenant.as_str()], |row| row.get(0))?)
}

/// How many models a tenant has.
pub(super) fn models(tx: &Transaction<'_>, tenant: &TenantName) -> Result<u32, StoreError> {
    let counted = "SELECT count(DISTINCT name) FROM model_version WHERE tenant = ?1 AND removed_ms IS NULL";
    Ok(tx.prepare_cached(counted)?.query_row([tenant.as_str()], |row| row.get(0))?)
}

/// How many secrets a tenant has.
pub(super) fn secrets(tx: &Transaction<'_>, tenant: &TenantName) -> Result<u32, StoreError> {
    let counted = "SELECT count(*) FROM secret WHERE tenant = ?1";
    Ok(tx.prepare_cached(counted)?.query_row([tenant.as_str()], |row| row.get(0))?)
}
