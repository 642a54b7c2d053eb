//! How many instances of a function are kept warm, where somebody has said so.

use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::events::note;
use crate::store::Store;
use modelet_spec::{FunctionName, TenantName};
use rusqlite::{OptionalExtension, Transaction, params};

impl Store {
    /// Keeps what was said. It holds for all versions of the function, those to come too.
    ///
    /// # Errors
    /// When the metadata cannot be written.
    pub fn set_scale(&self, tenant: &TenantName, name: &FunctionName, min: u32) -> Result<(), StoreError> {
        self.db.write(|tx| set(tx, tenant, name, min))
    }

    /// What was said of a function; `None`: nothing.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn scale(&self, tenant: &TenantName, name: &FunctionName) -> Result<Option<u32>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT min FROM function_scale WHERE tenant = ?1 AND name = ?2")?;
            Ok(query.query_row((tenant.as_str(), name.as_str()), |row| row.get(0)).optional()?)
        })
    }

    /// What was said of all functions.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn scales(&self) -> Result<Vec<(TenantName, FunctionName, u32)>, StoreError> {
        self.db.read(all)
    }
}

/// Keeps what was said of a function.
pub(crate) fn set(tx: &Transaction<'_>, tenant: &TenantName, name: &FunctionName, min: u32) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO function_scale (tenant, name, min) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, name) DO UPDATE SET min = ?3",
        params![tenant.as_str(), name.as_str(), min],
    )?;
    note(tx, "function.scale", tenant, name.as_str(), &min.to_string())?;
    Ok(())
}

/// What was said of all functions.
pub(crate) fn all(tx: &Transaction<'_>) -> Result<Vec<(TenantName, FunctionName, u32)>, StoreError> {
    let mut query = tx.prepare_cached("SELECT tenant, name, min FROM function_scale ORDER BY tenant, name")?;
    let rows = query.query_map([], |row| {
        let min = u32::try_from(unsigned(row, "min")?).unwrap_or(u32::MAX);
        Ok((parsed(row, "tenant")?, parsed(row, "name")?, min))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
