//! Keys, and hashes of their secrets.

use crate::changes::{Changes, Changing};
use crate::db::{parsed, to_i64, unsigned};
use crate::error::StoreError;
use crate::events::{Note, now_ms};
use crate::store::Store;
use crate::tenants;
use crate::things::Revision;
use modelet_spec::{FunctionName, ModelName, TenantName};
use rusqlite::types::Type;
use rusqlite::{Params, Row, Transaction, params};
use std::collections::BTreeSet;
use std::str::FromStr;

/// A key without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// What it is called.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantName,
    /// What it may do: `admin`, `deploy`, `invoke`, `read`.
    pub scopes: Vec<String>,
    /// The functions and models that it is bound to; `None`: to nothing.
    pub bound: Option<(BTreeSet<FunctionName>, BTreeSet<ModelName>)>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends.
    pub expires_ms: Option<u64>,
    /// When it was last used, as far as that was written down.
    pub last_use_ms: Option<u64>,
    /// What is kept of its secrets, the one that holds longest first.
    pub secrets: Vec<StoredSecret>,
    /// Its own; of a new one it is not asked.
    pub revision: Revision,
}

/// What is kept of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its hash.
    pub hash: [u8; 32],
    /// How that was made.
    pub kind: HashKind,
    /// From then on it is worth nothing, in milliseconds since 1970.
    pub until_ms: Option<u64>,
}

/// How a secret was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-256 without a key: those of the first servers.
    Sha256,
    /// BLAKE3 with a key.
    Blake3,
}

impl HashKind {
    fn text(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Blake3 => "blake3",
        }
    }
}

impl Changes<'_> {
    /// Keeps a new key.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or the metadata cannot be written (also: there is a key of this id, or with this secret).
    pub fn create_key(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.write(|tx| insert(tx, key, None))
    }

    /// Keeps a key in the place of the one with its id, if there is one.
    ///
    /// # Errors
    /// Those of [`Changes::create_key`].
    pub fn put_key(&self, key: &StoredKey) -> Result<(), StoreError> {
        self.write(|tx| {
            let before = list(tx, &format!("{SELECT} WHERE id = ?1"), [&key.id])?;
            tx.execute("DELETE FROM key WHERE id = ?1", [&key.id])?;
            insert(tx, key, before.first())
        })
    }

    /// Gives a key another secret. The one before holds until `old_until_ms`, at most as long as it would have; `None`: no
    /// longer. Returns the key.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the metadata cannot be written.
    pub fn rotate_key(
        &self,
        tenant: &TenantName,
        id: &str,
        hash: [u8; 32],
        old_until_ms: Option<u64>,
    ) -> Result<StoredKey, StoreError> {
        let until_ms = old_until_ms.map(|until| to_i64(until, "a time")).transpose()?;
        self.write(|tx| {
            find(tx, tenant, id)?;
            let old = old_until_ms.map(|until| format!("the secret before holds until {until}"));
            Note::new("key.rotate", tenant, id).detail(old.as_deref().unwrap_or_default()).write(tx)?;
            tx.execute(
                "DELETE FROM key_secret WHERE key = ?1 AND (?2 IS NULL OR until_ms <= ?3)",
                params![id, until_ms, now_ms()],
            )?;
            let sooner = "UPDATE key_secret SET until_ms = ?2 WHERE key = ?1 AND (until_ms IS NULL OR until_ms > ?2)";
            tx.execute(sooner, params![id, until_ms])?;
            insert_secret(tx, id, &StoredSecret { hash, kind: HashKind::Blake3, until_ms: None })?;
            find(tx, tenant, id)
        })
    }

    /// Takes a key away. Returns what it was.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the metadata cannot be written.
    pub fn revoke_key(&self, tenant: &TenantName, id: &str) -> Result<StoredKey, StoreError> {
        self.write(|tx| {
            let key = find(tx, tenant, id)?;
            Note::new("key.revoke", tenant, id).values(Some(&told(&key)), None).write(tx)?;
            tx.execute("DELETE FROM key WHERE id = ?1", [id])?;
            Ok(key)
        })
    }
}

impl Store {
    /// All keys by id, of one tenant or of all.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn keys(&self, tenant: Option<&TenantName>) -> Result<Vec<StoredKey>, StoreError> {
        let sql = format!("{SELECT} WHERE ?1 IS NULL OR tenant = ?1 ORDER BY id");
        self.db.read(|tx| list(tx, &sql, [tenant.map(TenantName::as_str)]))
    }

    /// At most `count_max` keys of a tenant whose ids come after `after`, by id; an empty `after`: from the first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn keys_after(&self, tenant: &TenantName, after: &str, count_max: u32) -> Result<Vec<StoredKey>, StoreError> {
        let sql = format!("{SELECT} WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        self.db.read(|tx| list(tx, &sql, (tenant.as_str(), after, count_max)))
    }

    /// One key of a tenant.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the metadata cannot be read.
    pub fn key(&self, tenant: &TenantName, id: &str) -> Result<StoredKey, StoreError> {
        self.db.read(|tx| find(tx, tenant, id))
    }

    /// Writes down when keys were last used, in milliseconds since 1970. Keys that are gone are passed over.
    ///
    /// # Errors
    /// When the metadata cannot be written.
    pub fn set_last_uses(&self, uses: &[(String, u64)]) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let mut update = tx.prepare_cached("UPDATE key SET last_use_ms = ?2 WHERE id = ?1")?;
            uses.iter().try_for_each(|(id, at_ms)| {
                update.execute(params![id, to_i64(*at_ms, "a time")?])?;
                Ok(())
            })
        })
    }
}

const SELECT: &str = "SELECT k.*, (SELECT revision FROM revision_told r
    WHERE r.kind = 'key' AND r.tenant = k.tenant AND r.name = k.id) AS revision FROM key k";

fn insert(tx: &Changing<'_>, key: &StoredKey, before: Option<&StoredKey>) -> Result<(), StoreError> {
    tenants::require(tx, &key.tenant)?;
    let scopes = key.scopes.join(" ");
    let (before, after) = (before.map(told), told(key));
    let note = Note::new("key.put", &key.tenant, &key.id).detail(&scopes);
    let at_ms = note.values(before.as_deref(), Some(&after)).write(tx)?.at_ms;
    let (functions, models) = match &key.bound {
        Some((functions, models)) => (Some(words(functions)), Some(words(models))),
        None => (None, None),
    };
    let expires_ms = key.expires_ms.map(|at| to_i64(at, "a time")).transpose()?;
    tx.execute(
        "INSERT INTO key (id, tenant, scopes, functions, models, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![key.id, key.tenant.as_str(), scopes, functions, models, at_ms, expires_ms],
    )?;
    key.secrets.iter().try_for_each(|secret| insert_secret(tx, &key.id, secret))
}

/// A key as an audit tells it: what it may do, with what, until when. Nothing of its secrets.
fn told(key: &StoredKey) -> String {
    let mut told = key.scopes.join(" ");
    if let Some((functions, models)) = &key.bound {
        told.push_str(&format!("; functions: {}; models: {}", words(functions), words(models)));
    }
    if let Some(end) = key.expires_ms {
        told.push_str(&format!("; until {end}"));
    }
    told
}

fn insert_secret(tx: &Transaction<'_>, key: &str, secret: &StoredSecret) -> Result<(), StoreError> {
    let until_ms = secret.until_ms.map(|until| to_i64(until, "a time")).transpose()?;
    tx.execute(
        "INSERT INTO key_secret (hash, key, kind, until_ms) VALUES (?1, ?2, ?3, ?4)",
        params![secret.hash, key, secret.kind.text(), until_ms],
    )?;
    Ok(())
}

/// One key of a tenant. Another tenant's is looked for in the same way, and not found.
fn find(tx: &Transaction<'_>, tenant: &TenantName, id: &str) -> Result<StoredKey, StoreError> {
    let found = list(tx, &format!("{SELECT} WHERE tenant = ?1 AND id = ?2"), (tenant.as_str(), id))?;
    found.into_iter().next().ok_or_else(|| StoreError::NoKey(id.to_owned()))
}

fn list(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<StoredKey>, StoreError> {
    let mut query = tx.prepare_cached(sql)?;
    let mut keys: Vec<StoredKey> = query.query_map(params, key)?.collect::<Result<_, _>>()?;
    for key in &mut keys {
        key.secrets = secrets(tx, &key.id)?;
    }
    Ok(keys)
}

fn secrets(tx: &Transaction<'_>, key: &str) -> Result<Vec<StoredSecret>, StoreError> {
    let sql = "SELECT * FROM key_secret WHERE key = ?1 ORDER BY until_ms IS NOT NULL, until_ms DESC, hash DESC";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([key], |row| {
        let kind: String = row.get("kind")?;
        let kind = if kind == HashKind::Sha256.text() { HashKind::Sha256 } else { HashKind::Blake3 };
        Ok(StoredSecret { hash: row.get("hash")?, kind, until_ms: optional(row, "until_ms")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let scopes: String = row.get("scopes")?;
    let bound = match (names(row, "functions")?, names(row, "models")?) {
        (None, None) => None,
        (functions, models) => Some((functions.unwrap_or_default(), models.unwrap_or_default())),
    };
    Ok(StoredKey {
        id: row.get("id")?,
        tenant: parsed(row, "tenant")?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        bound,
        created_ms: unsigned(row, "created_ms")?,
        expires_ms: optional(row, "expires_ms")?,
        last_use_ms: optional(row, "last_use_ms")?,
        secrets: Vec::new(),
        revision: Revision::read(row)?,
    })
}

fn optional(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(column)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}

/// Names with spaces between; `None`: NULL.
fn names<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<BTreeSet<T>>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Ord,
{
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    let read = |word: &str| {
        let wrong = |error: T::Err| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
        word.parse().map_err(wrong)
    };
    text.split_whitespace().map(read).collect::<Result<_, _>>().map(Some)
}

fn words<T: AsRef<str>>(names: &BTreeSet<T>) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}
