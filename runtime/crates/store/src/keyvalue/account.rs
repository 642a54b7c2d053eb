//! What a tenant keeps, in numbers.

use super::{KeyValueError, KeyValueLimits};
use crate::db::{to_i64, unsigned};
use crate::error::StoreError;
use modelet_spec::TenantName;
use rusqlite::{OptionalExtension, Transaction, params};

/// The row of a tenant in `account`.
#[derive(Debug, Default)]
pub(super) struct Account {
    keys: u64,
    bytes: u64,
    /// Places handed out so far.
    pub(super) places: u64,
    /// Keys and bytes before this change: under a quota that was lowered, a tenant may still make less of what it has.
    before: (u64, u64),
}

impl Account {
    pub(super) fn of(tx: &Transaction<'_>, tenant: &TenantName) -> Result<Self, StoreError> {
        let mut query = tx.prepare_cached("SELECT keys, bytes, places FROM account WHERE tenant = ?1")?;
        let row = query.query_row([tenant.as_str()], |row| {
            let (keys, bytes) = (unsigned(row, "keys")?, unsigned(row, "bytes")?);
            Ok(Self { keys, bytes, places: unsigned(row, "places")?, before: (keys, bytes) })
        });
        Ok(row.optional()?.unwrap_or_default())
    }

    pub(super) fn gain(&mut self, key: &str, value_bytes: u64) {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(key.len() as u64).saturating_add(value_bytes);
    }

    pub(super) fn lose(&mut self, key: &str, value_bytes: u64) {
        self.keys = self.keys.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(key.len() as u64).saturating_sub(value_bytes);
    }

    pub(super) fn place(&self) -> Result<i64, StoreError> {
        to_i64(self.places, "the number of keys ever kept")
    }

    pub(super) fn hold_to(&self, limits: KeyValueLimits) -> Result<(), KeyValueError> {
        let (keys, bytes) = self.before;
        if self.keys > limits.keys.max(keys) {
            return Err(KeyValueError::Keys { limit: limits.keys });
        }
        if self.bytes > limits.bytes.max(bytes) {
            return Err(KeyValueError::Bytes { limit: limits.bytes });
        }
        Ok(())
    }

    pub(super) fn keep(&self, tx: &Transaction<'_>, tenant: &TenantName) -> Result<(), StoreError> {
        let sql = "INSERT INTO account (tenant, keys, bytes, places) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (tenant) DO UPDATE SET keys = ?2, bytes = ?3, places = ?4";
        let (keys, bytes) = (to_i64(self.keys, "a number of keys")?, to_i64(self.bytes, "a number of bytes")?);
        tx.prepare_cached(sql)?.execute(params![tenant.as_str(), keys, bytes, self.place()?])?;
        Ok(())
    }
}
