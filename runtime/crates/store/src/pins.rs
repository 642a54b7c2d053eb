//! Versions of models that are to stay in memory.

use crate::changes::{Changes, Changing};
use crate::db::parsed;
use crate::error::StoreError;
use crate::events::Note;
use crate::models::version;
use crate::store::Store;
use modelet_spec::{ModelName, TenantName, Version};
use rusqlite::{Transaction, params};

/// A version of a model that is to stay in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// Whose model.
    pub tenant: TenantName,
    /// Which model.
    pub name: ModelName,
    /// Which version of it.
    pub version: Version,
}

impl Changes<'_> {
    /// Pins a version, or takes that back. `false`: it was so already.
    ///
    /// # Errors
    /// When there is no such version, or the metadata cannot be written.
    pub fn set_pin(&self, pin: &Pin, wanted: bool) -> Result<bool, StoreError> {
        self.write(|tx| set(tx, pin, wanted))
    }
}

impl Store {
    /// All pins, sorted.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.db.read(all)
    }
}

/// Pins a version, or takes that back. `false`: it was so already.
pub(crate) fn set(tx: &Changing<'_>, pin: &Pin, wanted: bool) -> Result<bool, StoreError> {
    let sql = if wanted {
        "INSERT INTO model_pin (tenant, name, version) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM model_pin WHERE tenant = ?1 AND name = ?2 AND version = ?3"
    };
    let changed = tx.execute(sql, params![pin.tenant.as_str(), pin.name.as_str(), pin.version.get()])? > 0;
    if changed {
        let (kind, before, after) =
            if wanted { ("model.pin", None, Some("pinned")) } else { ("model.unpin", Some("pinned"), None) };
        let subject = format!("{}@{}", pin.name, pin.version);
        Note::new(kind, &pin.tenant, &subject).values(before, after).write(tx)?;
    }
    Ok(changed)
}

/// All pins, sorted.
pub(crate) fn all(tx: &Transaction<'_>) -> Result<Vec<Pin>, StoreError> {
    let mut query = tx.prepare_cached("SELECT * FROM model_pin ORDER BY tenant, name, version")?;
    let rows = query.query_map([], |row| {
        Ok(Pin { tenant: parsed(row, "tenant")?, name: parsed(row, "name")?, version: version(row)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
