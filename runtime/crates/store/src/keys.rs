//! Keys, as hashes.

use crate::db::parsed;
use crate::error::StoreError;
use crate::events::note;
use crate::store::Store;
use crate::tenants;
use modelet_spec::TenantName;
use rusqlite::{Row, params};

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// What it is called.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantName,
    /// What it may do: `admin`, `deploy`, `invoke`, `read`.
    pub scopes: Vec<String>,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
}

impl Store {
    /// All keys by id.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT * FROM key ORDER BY id")?;
            let rows = query.query_map([], key)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps a key; one of the same id is replaced.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or the metadata cannot be written (also: another key has the same secret).
    pub fn put_key(&self, key: &StoredKey) -> Result<(), StoreError> {
        let scopes = key.scopes.join(" ");
        self.db.write(|tx| {
            tenants::require(tx, &key.tenant)?;
            let at_ms = note(tx, "key.put", &key.tenant, &key.id, &scopes)?;
            tx.execute(
                "INSERT INTO key (id, tenant, scopes, hash, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET tenant = ?2, scopes = ?3, hash = ?4, created_ms = ?5",
                params![key.id, key.tenant.as_str(), scopes, key.hash, at_ms],
            )?;
            Ok(())
        })
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let scopes: String = row.get("scopes")?;
    Ok(StoredKey {
        id: row.get("id")?,
        tenant: parsed(row, "tenant")?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        hash: row.get("hash")?,
    })
}
