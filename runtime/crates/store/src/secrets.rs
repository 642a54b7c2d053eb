//! Secrets, sealed by whoever keeps them here: this crate has no key and opens none.

use crate::changes::{Changes, Changing};
use crate::db::{parsed, to_i64, unsigned};
use crate::error::StoreError;
use crate::events::Note;
use crate::store::Store;
use crate::tenants;
use crate::things::Revision;
use modelet_spec::{SecretName, TenantName};
use rusqlite::{Params, Row, Transaction, params};
use std::fmt;

/// A secret as it lies in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSealed {
    /// Whose it is.
    pub tenant: TenantName,
    /// What it is called.
    pub name: SecretName,
    /// Counts up over all secrets: no two values ever have the same.
    pub version: u64,
    /// How it is sealed.
    pub seal: Seal,
    /// When it was set, in milliseconds since 1970.
    pub set_ms: u64,
    /// The id of the key that asked for it, if it was one.
    pub set_by: Option<String>,
    /// Which change of it was the last.
    pub revision: Revision,
}

/// A sealed value.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal {
    /// Which key opens it.
    pub key_id: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({})", self.key_id)
    }
}

impl fmt::Debug for StoredSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredSealed({}/{}@{}, {:?})", self.tenant, self.name, self.version, self.seal)
    }
}

impl Changes<'_> {
    /// Keeps a secret, in the place of the one of that name. `seal` is told the version that the value gets, to bind it to it;
    /// `max` is how many secrets the tenant may have by the server's word. Returns it, and whether it is new.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], [`StoreError::Count`], [`StoreError::NotSealed`], or the metadata cannot be written.
    pub fn put_secret(
        &self,
        (tenant, name): (&TenantName, &SecretName),
        set_by: Option<&str>,
        max: u32,
        seal: impl FnOnce(u64) -> Option<Seal>,
    ) -> Result<(StoredSealed, bool), StoreError> {
        self.write(|tx| {
            let is_new = put(tx, (tenant, name), set_by, max, seal)?;
            Ok((require(tx, tenant, name)?, is_new))
        })
    }

    /// Takes a secret away.
    ///
    /// # Errors
    /// [`StoreError::NoSecret`], or the metadata cannot be written.
    pub fn remove_secret(&self, tenant: &TenantName, name: &SecretName) -> Result<StoredSealed, StoreError> {
        self.write(|tx| {
            let secret = require(tx, tenant, name)?;
            let before = told(&secret);
            Note::new("secret.remove", tenant, name.as_str()).values(Some(&before), None).write(tx)?;
            tx.execute("DELETE FROM secret WHERE tenant = ?1 AND name = ?2", (tenant.as_str(), name.as_str()))?;
            Ok(secret)
        })
    }

    /// Has the same values under other seals: all of them or none. One that was set meanwhile stays as it is.
    ///
    /// # Errors
    /// When the metadata cannot be written.
    pub fn reseal_secrets(&self, resealed: &[StoredSealed]) -> Result<(), StoreError> {
        self.write(|tx| {
            let count = resealed.len().to_string();
            Note::new("secret.reseal", &TenantName::default_tenant(), "secrets").detail(&count).write(tx)?;
            let update = "UPDATE secret SET key_id = ?4, sealed = ?5 WHERE tenant = ?1 AND name = ?2 AND version = ?3";
            let mut update = tx.prepare_cached(update)?;
            resealed.iter().try_for_each(|StoredSealed { tenant, name, version, seal, .. }| {
                let version = to_i64(*version, "a version")?;
                update.execute(params![tenant.as_str(), name.as_str(), version, seal.key_id, seal.bytes])?;
                Ok(())
            })
        })
    }
}

impl Store {
    /// A secret of a tenant, if there is one of that name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn secret(&self, tenant: &TenantName, name: &SecretName) -> Result<Option<StoredSealed>, StoreError> {
        self.db.read(|tx| find(tx, tenant, name))
    }

    /// All secrets, of one tenant or of all, sorted by tenant and name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn secrets(&self, tenant: Option<&TenantName>) -> Result<Vec<StoredSealed>, StoreError> {
        self.db.read(|tx| all(tx, tenant))
    }
}

/// Keeps a secret. Returns whether it is new.
pub(crate) fn put(
    tx: &Changing<'_>,
    (tenant, name): (&TenantName, &SecretName),
    set_by: Option<&str>,
    max: u32,
    seal: impl FnOnce(u64) -> Option<Seal>,
) -> Result<bool, StoreError> {
    tenants::require(tx, tenant)?;
    let before = find(tx, tenant, name)?.map(|before| told(&before));
    let is_new = before.is_none();
    tenants::room_for_secret(tx, tenant, is_new, max)?;
    let note = Note::new("secret.set", tenant, name.as_str());
    let event = note.values(before.as_deref(), Some("another value")).write(tx)?;
    let version = u64::try_from(event.id).unwrap_or_default();
    let seal = seal(version).ok_or(StoreError::NotSealed)?;
    tx.execute(
        "INSERT INTO secret (tenant, name, version, key_id, sealed, set_ms, set_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (tenant, name) DO UPDATE SET version = ?3, key_id = ?4, sealed = ?5, set_ms = ?6, set_by = ?7",
        params![tenant.as_str(), name.as_str(), event.id, seal.key_id, seal.bytes, event.at_ms, set_by],
    )?;
    Ok(is_new)
}

/// All secrets, of one tenant or of all, sorted by tenant and name.
pub(crate) fn all(tx: &Transaction<'_>, tenant: Option<&TenantName>) -> Result<Vec<StoredSealed>, StoreError> {
    let sql = format!("{SELECT} WHERE ?1 IS NULL OR tenant = ?1 ORDER BY tenant, name");
    list(tx, &sql, [tenant.map(TenantName::as_str)])
}

const SELECT: &str = "SELECT s.*, (SELECT revision FROM revision_told r
    WHERE r.kind = 'secret' AND r.tenant = s.tenant AND r.name = s.name) AS revision FROM secret s";

/// A secret as an audit tells it: when its value was set, and nothing of it.
fn told(secret: &StoredSealed) -> String {
    format!("set by row {}", secret.version)
}

/// One secret of a tenant. Another tenant's is looked for in the same way, and not found.
fn find(tx: &Transaction<'_>, tenant: &TenantName, name: &SecretName) -> Result<Option<StoredSealed>, StoreError> {
    let sql = format!("{SELECT} WHERE tenant = ?1 AND name = ?2");
    Ok(list(tx, &sql, (tenant.as_str(), name.as_str()))?.into_iter().next())
}

fn require(tx: &Transaction<'_>, tenant: &TenantName, name: &SecretName) -> Result<StoredSealed, StoreError> {
    find(tx, tenant, name)?.ok_or_else(|| StoreError::NoSecret(name.clone()))
}

fn list(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<StoredSealed>, StoreError> {
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params, secret)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn secret(row: &Row<'_>) -> rusqlite::Result<StoredSealed> {
    Ok(StoredSealed {
        tenant: parsed(row, "tenant")?,
        name: parsed(row, "name")?,
        version: unsigned(row, "version")?,
        seal: Seal { key_id: row.get("key_id")?, bytes: row.get("sealed")? },
        set_ms: unsigned(row, "set_ms")?,
        set_by: row.get("set_by")?,
        revision: Revision::read(row)?,
    })
}
