//! How many instances of a function are kept warm, where somebody has said so.

use crate::changes::{Changes, Changing};
use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::events::Note;
use crate::store::Store;
use modelet_spec::{FunctionName, TenantName};
use rusqlite::{OptionalExtension, Transaction, params};

impl Changes<'_> {
    /// Keeps what was said. It holds for all versions of the function, those to come too.
    ///
    /// # Errors
    /// When the metadata cannot be written.
    pub fn set_scale(&self, tenant: &TenantName, name: &FunctionName, min: u32) -> Result<(), StoreError> {
        self.write(|tx| set(tx, tenant, name, min))
    }
}

impl Store {
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
pub(crate) fn set(tx: &Changing<'_>, tenant: &TenantName, name: &FunctionName, min: u32) -> Result<(), StoreError> {
    let said = "SELECT CAST(min AS TEXT) FROM function_scale WHERE tenant = ?1 AND name = ?2";
    let of = (tenant.as_str(), name.as_str());
    let before: Option<String> = tx.prepare_cached(said)?.query_row(of, |row| row.get(0)).optional()?;
    tx.execute(
        "INSERT INTO function_scale (tenant, name, min) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, name) DO UPDATE SET min = ?3",
        params![tenant.as_str(), name.as_str(), min],
    )?;
    let after = min.to_string();
    let note = Note::new("function.scale", tenant, name.as_str()).detail(&after);
    note.values(before.as_deref(), Some(&after)).write(tx)?;
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
