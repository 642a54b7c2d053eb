//! Tenants: what they may claim and have, and what they have. `default` is there from the start.
//!
//! A tenant that was removed leaves its row: the name is never used again, as a version's number is not, so that what is
//! left of it in the history cannot be taken for another's.

mod quota;
mod remove;
mod usage;

pub use remove::TenantRemoval;
pub use usage::TenantUse;

pub(crate) use quota::{functions_held, room_for_function, room_for_model, room_for_secret};
pub(crate) use usage::functions;

use crate::changes::{Changes, Changing};
use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::events::Note;
use crate::store::Store;
use crate::things::Revision;
use modelet_spec::{Claims, TenantLimits, TenantName};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction};

/// A tenant, as the operator made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: TenantName,
    /// Where its functions may answer.
    pub claims: Claims,
    /// What it may have.
    pub limits: TenantLimits,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Which change of it was the last.
    pub revision: Revision,
}

impl Changes<'_> {
    /// Makes a tenant that has no limits of its own. That no other has a part of its claims is for the caller to see to.
    ///
    /// # Errors
    /// [`StoreError::TenantExists`], [`StoreError::TenantRemoved`], or the metadata cannot be written (also: a claim is
    /// another's).
    pub fn create_tenant(&self, name: &TenantName, claims: &Claims) -> Result<(), StoreError> {
        self.create_limited_tenant(name, claims, &TenantLimits::default())
    }

    /// Makes a tenant that never was without these limits.
    ///
    /// # Errors
    /// Those of [`Changes::create_tenant`].
    pub fn create_limited_tenant(
        &self,
        name: &TenantName,
        claims: &Claims,
        limits: &TenantLimits,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            create(tx, name, claims)?;
            if *limits == TenantLimits::default() { Ok(()) } else { set_limits(tx, name, limits) }
        })
    }

    /// Gives a tenant these claims in the place of those that it has. That no other has a part of them, and that its functions need no
    /// other ones, is for the caller to see to.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or the metadata cannot be written (also: a claim is another's).
    pub fn set_claims(&self, name: &TenantName, claims: &Claims) -> Result<(), StoreError> {
        self.write(|tx| set_claims(tx, name, claims))
    }

    /// Sets what a tenant may have.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], or the metadata cannot be written.
    pub fn set_tenant_limits(&self, name: &TenantName, limits: &TenantLimits) -> Result<(), StoreError> {
        self.write(|tx| set_limits(tx, name, limits))
    }
}

impl Store {
    /// Whether there is a tenant of this name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn has_tenant(&self, name: &TenantName) -> Result<bool, StoreError> {
        self.db.read(|tx| exists(tx, name))
    }

    /// Whether there is or was a tenant of this name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn had_tenant(&self, name: &TenantName) -> Result<bool, StoreError> {
        self.db.read(|tx| Ok(!matches!(state(tx, name)?, State::Never)))
    }

    /// All tenants by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.db.read(all)
    }

    /// The names of all tenants that there ever were.
    pub(crate) fn tenants_ever(&self) -> Result<Vec<TenantName>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT name FROM tenant ORDER BY name")?;
            let rows = query.query_map([], |row| parsed(row, "name"))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// All tenants by name.
pub(crate) fn all(tx: &Transaction<'_>) -> Result<Vec<Tenant>, StoreError> {
    let sql = "SELECT t.*, (SELECT revision FROM revision_told r WHERE r.kind = 'tenant' AND r.tenant = t.name
            AND r.name = t.name) AS revision
        FROM tenant t WHERE removed_ms IS NULL ORDER BY name";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([], tenant)?;
    let mut tenants: Vec<Tenant> = rows.collect::<Result<_, _>>()?;
    for tenant in &mut tenants {
        tenant.claims = claims(tx, &tenant.name)?;
    }
    Ok(tenants)
}

/// Makes a tenant.
pub(crate) fn create(tx: &Changing<'_>, name: &TenantName, claims: &Claims) -> Result<(), StoreError> {
    match state(tx, name)? {
        State::There => return Err(StoreError::TenantExists(name.clone())),
        State::Removed => return Err(StoreError::TenantRemoved(name.clone())),
        State::Never => {}
    }
    let told = claims.to_string();
    let note = Note::new("tenant.create", name, name.as_str()).detail(&told);
    let at_ms = note.values(None, Some(&told)).write(tx)?.at_ms;
    tx.execute("INSERT INTO tenant (name, created_ms) VALUES (?1, ?2)", (name.as_str(), at_ms))?;
    insert_claims(tx, name, claims)
}

/// Gives a tenant these claims, and no others.
pub(crate) fn set_claims(tx: &Changing<'_>, name: &TenantName, claims: &Claims) -> Result<(), StoreError> {
    set_all_claims(tx, &[(name, claims)])
}

/// Gives tenants these claims, and no others. All are taken back before any is given: one may get what another had.
pub(crate) fn set_all_claims(tx: &Changing<'_>, all: &[(&TenantName, &Claims)]) -> Result<(), StoreError> {
    for (name, claims) in all {
        require(tx, name)?;
        let (before, after) = (self::claims(tx, name)?.to_string(), claims.to_string());
        let note = Note::new("tenant.claims", name, name.as_str()).detail(&after);
        note.values(Some(&before), Some(&after)).write(tx)?;
        tx.execute("DELETE FROM tenant_claim WHERE tenant = ?1", [name.as_str()])?;
    }
    all.iter().try_for_each(|(name, claims)| insert_claims(tx, name, claims))
}

fn insert_claims(tx: &Transaction<'_>, name: &TenantName, claims: &Claims) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached("INSERT INTO tenant_claim (kind, claim, tenant) VALUES (?1, ?2, ?3)")?;
    for host in &claims.hosts {
        insert.execute(("host", host.as_str(), name.as_str()))?;
    }
    for path in &claims.paths {
        insert.execute(("path", path.as_str(), name.as_str()))?;
    }
    Ok(())
}

/// Says what a tenant may have.
pub(crate) fn set_limits(tx: &Changing<'_>, name: &TenantName, limits: &TenantLimits) -> Result<(), StoreError> {
    let json = serde_json::to_string(limits).map_err(|error| StoreError::Json("limits", error))?;
    require(tx, name)?;
    let stood = "SELECT limits FROM tenant WHERE name = ?1";
    let before: String = tx.prepare_cached(stood)?.query_row([name.as_str()], |row| row.get(0))?;
    let note = Note::new("tenant.limits", name, name.as_str()).detail(&json);
    note.values(Some(&before), Some(&json)).write(tx)?;
    tx.execute("UPDATE tenant SET limits = ?2 WHERE name = ?1", (name.as_str(), &json))?;
    Ok(())
}

/// Refuses what belongs to nobody.
pub(crate) fn require(tx: &Transaction<'_>, name: &TenantName) -> Result<(), StoreError> {
    match exists(tx, name)? {
        true => Ok(()),
        false => Err(StoreError::NoTenant(name.clone())),
    }
}

fn exists(tx: &Transaction<'_>, name: &TenantName) -> Result<bool, StoreError> {
    Ok(matches!(state(tx, name)?, State::There))
}

/// Whether a name is, was or never was a tenant's.
enum State {
    There,
    Removed,
    Never,
}

fn state(tx: &Transaction<'_>, name: &TenantName) -> Result<State, StoreError> {
    let mut query = tx.prepare_cached("SELECT removed_ms IS NULL FROM tenant WHERE name = ?1")?;
    let found = query.query_row([name.as_str()], |row| row.get(0)).optional()?;
    Ok(match found {
        Some(true) => State::There,
        Some(false) => State::Removed,
        None => State::Never,
    })
}

fn tenant(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant {
        name: parsed(row, "name")?,
        claims: Claims::default(),
        limits: limits(row)?,
        created_ms: unsigned(row, "created_ms")?,
        revision: Revision::read(row)?,
    })
}

/// The column `limits`.
fn limits(row: &Row<'_>) -> rusqlite::Result<TenantLimits> {
    let json: String = row.get("limits")?;
    serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn claims(tx: &Transaction<'_>, name: &TenantName) -> Result<Claims, StoreError> {
    let mut query = tx.prepare_cached("SELECT claim FROM tenant_claim WHERE tenant = ?1 AND kind = ?2")?;
    let hosts = query.query_map((name.as_str(), "host"), |row| parsed(row, "claim"))?.collect::<Result<_, _>>()?;
    let paths = query.query_map((name.as_str(), "path"), |row| parsed(row, "claim"))?.collect::<Result<_, _>>()?;
    Ok(Claims { hosts, paths })
}
