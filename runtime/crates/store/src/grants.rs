//! Grants: the right of another tenant to use a model. Without one, the model does not exist for it.
//!
//! A grant is for a model with all its versions, and goes with the last of them.

use crate::changes::{Changes, Changing};
use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::events::Note;
use crate::models::{ModelVersion, find, require};
use crate::store::Store;
use modelet_spec::{ModelName, Pick, TenantName, Version};
use rusqlite::{OptionalExtension, Transaction, params};

/// The right of a tenant to use another's model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The model's owner.
    pub owner: TenantName,
    /// The model.
    pub model: ModelName,
    /// Who may use it.
    pub to: TenantName,
    /// Whether its calls may be joined with other tenants'.
    pub share_batch: bool,
    /// Since when, in milliseconds since 1970.
    pub granted_ms: u64,
}

impl Changes<'_> {
    /// Grants a model, or changes how it is granted. Whether there is a tenant of that name is not asked. Returns the grant.
    ///
    /// # Errors
    /// [`StoreError::ModelMissing`], or the metadata cannot be written.
    pub fn grant_model(
        &self,
        owner: &TenantName,
        model: &ModelName,
        to: &TenantName,
        share_batch: bool,
    ) -> Result<Grant, StoreError> {
        self.write(|tx| {
            put(tx, owner, model, to, share_batch)?;
            one(tx, owner, model, to)?.ok_or_else(|| StoreError::NoGrant(to.clone()))
        })
    }

    /// Takes a grant back. Returns what it was.
    ///
    /// # Errors
    /// [`StoreError::ModelMissing`], [`StoreError::NoGrant`], or the metadata cannot be written.
    pub fn revoke_model(&self, owner: &TenantName, model: &ModelName, to: &TenantName) -> Result<Grant, StoreError> {
        self.write(|tx| {
            require(tx, owner, model, &Pick::Latest)?;
            let grant = one(tx, owner, model, to)?.ok_or_else(|| StoreError::NoGrant(to.clone()))?;
            let note = Note::new("model.revoke", owner, model.as_str()).detail(to.as_str());
            note.values(Some(told(grant.share_batch)), None).write(tx)?;
            let sql = "DELETE FROM model_grant WHERE tenant = ?1 AND model = ?2 AND grantee = ?3";
            tx.execute(sql, (owner.as_str(), model.as_str(), to.as_str()))?;
            Ok(grant)
        })
    }
}

impl Store {
    /// All grants, sorted by owner, model and grantee.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.db.read(all)
    }

    /// A version of a model that a tenant may use: its own, or one that was granted to it. One that was not granted is asked for
    /// in the same steps as one that does not exist.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn usable_model(
        &self,
        user: &TenantName,
        owner: &TenantName,
        name: &ModelName,
        pick: &Pick,
    ) -> Result<Option<ModelVersion>, StoreError> {
        self.db.read(|tx| {
            let may = user == owner || one(tx, owner, name, user)?.is_some();
            Ok(find(tx, owner, name, pick)?.filter(|_| may))
        })
    }

    /// The newest version of each model that was granted to a tenant, with the grant; sorted by owner and name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn granted_models(&self, to: &TenantName) -> Result<Vec<(Grant, ModelVersion)>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT * FROM model_grant WHERE grantee = ?1 ORDER BY tenant, model")?;
            let grants: Vec<Grant> = query.query_map([to.as_str()], grant)?.collect::<Result<_, _>>()?;
            let newest = |grant: Grant| match find(tx, &grant.owner, &grant.model, &Pick::Latest) {
                Ok(found) => Ok(found.map(|version| (grant, version))),
                Err(error) => Err(error),
            };
            grants.into_iter().map(newest).filter_map(Result::transpose).collect()
        })
    }
}

/// Grants a model, or changes how it is granted.
pub(crate) fn put(
    tx: &Changing<'_>,
    owner: &TenantName,
    model: &ModelName,
    to: &TenantName,
    share_batch: bool,
) -> Result<(), StoreError> {
    require(tx, owner, model, &Pick::Latest)?;
    let detail = if share_batch { format!("{to} share-batch") } else { to.to_string() };
    let before = one(tx, owner, model, to)?.map(|grant| told(grant.share_batch));
    let note = Note::new("model.grant", owner, model.as_str()).detail(&detail);
    let at_ms = note.values(before, Some(told(share_batch))).write(tx)?.at_ms;
    tx.execute(
        "INSERT INTO model_grant (tenant, model, grantee, share_batch, granted_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, model, grantee) DO UPDATE SET share_batch = ?4",
        params![owner.as_str(), model.as_str(), to.as_str(), share_batch, at_ms],
    )?;
    Ok(())
}

/// All grants, sorted by owner, model and grantee.
pub(crate) fn all(tx: &Transaction<'_>) -> Result<Vec<Grant>, StoreError> {
    let mut query = tx.prepare_cached("SELECT * FROM model_grant ORDER BY tenant, model, grantee")?;
    let rows = query.query_map([], grant)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a tenant may use a version of another's model.
pub(crate) fn is_usable(
    tx: &Transaction<'_>,
    user: &TenantName,
    owner: &TenantName,
    name: &ModelName,
    version: Version,
) -> Result<bool, StoreError> {
    Ok(one(tx, owner, name, user)?.is_some() && find(tx, owner, name, &Pick::Version(version))?.is_some())
}

/// A grant as an audit tells it.
fn told(share_batch: bool) -> &'static str {
    if share_batch { "granted, share-batch" } else { "granted" }
}

/// Forgets the grants of a model that has no version any more.
pub(crate) fn forget_if_gone(tx: &Transaction<'_>, owner: &TenantName, model: &ModelName) -> Result<(), StoreError> {
    if find(tx, owner, model, &Pick::Latest)?.is_none() {
        tx.execute("DELETE FROM model_grant WHERE tenant = ?1 AND model = ?2", (owner.as_str(), model.as_str()))?;
    }
    Ok(())
}

fn one(
    tx: &Transaction<'_>,
    owner: &TenantName,
    model: &ModelName,
    to: &TenantName,
) -> Result<Option<Grant>, StoreError> {
    let sql = "SELECT * FROM model_grant WHERE tenant = ?1 AND model = ?2 AND grantee = ?3";
    let mut query = tx.prepare_cached(sql)?;
    Ok(query.query_row((owner.as_str(), model.as_str(), to.as_str()), grant).optional()?)
}

fn grant(row: &rusqlite::Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        owner: parsed(row, "tenant")?,
        model: parsed(row, "model")?,
        to: parsed(row, "grantee")?,
        share_batch: row.get("share_batch")?,
        granted_ms: unsigned(row, "granted_ms")?,
    })
}
