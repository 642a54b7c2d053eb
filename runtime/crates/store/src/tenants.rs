//! Tenants. `default` is there from the start.

use crate::db::parsed;
use crate::error::StoreError;
use crate::events::note;
use crate::store::Store;
use modelet_spec::TenantName;
use rusqlite::{OptionalExtension, Transaction};

impl Store {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`StoreError::TenantExists`], or the metadata cannot be written.
    pub fn create_tenant(&self, name: &TenantName) -> Result<(), StoreError> {
        self.db.write(|tx| {
            if exists(tx, name)? {
                return Err(StoreError::TenantExists(name.clone()));
            }
            let at_ms = note(tx, "tenant.create", name, name.as_str(), "")?;
            tx.execute("INSERT INTO tenant (name, created_ms) VALUES (?1, ?2)", (name.as_str(), at_ms))?;
            Ok(())
        })
    }

    /// Whether there is a tenant of this name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn has_tenant(&self, name: &TenantName) -> Result<bool, StoreError> {
        self.db.read(|tx| exists(tx, name))
    }

    /// All tenants by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn tenants(&self) -> Result<Vec<TenantName>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT name FROM tenant ORDER BY name")?;
            let rows = query.query_map([], |row| parsed(row, "name"))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Refuses what belongs to nobody.
pub(crate) fn require(tx: &Transaction<'_>, name: &TenantName) -> Result<(), StoreError> {
    match exists(tx, name)? {
        true => Ok(()),
        false => Err(StoreError::NoTenant(name.clone())),
    }
}

fn exists(tx: &Transaction<'_>, name: &TenantName) -> Result<bool, StoreError> {
    let found = tx.query_row("SELECT 1 FROM tenant WHERE name = ?1", [name.as_str()], |_| Ok(()));
    Ok(found.optional()?.is_some())
}
