//! Versions go: out of every listing at once, their files when nothing else holds them ([`Store::collect`]).

use super::{ModelVersion, id, labels, list, require, written};
use crate::changes::{Changes, Changing};
use crate::db::parsed;
use crate::error::StoreError;
use crate::events::Note;
use crate::grants;
use crate::history::Item;
use crate::store::Store;
use modelet_spec::{FunctionName, ModelName, Pick, TenantName, Version};
use rusqlite::{Transaction, params};
use std::collections::BTreeSet;

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The versions, the newest first.
    pub versions: Vec<ModelVersion>,
    /// The live functions that used one of them, sorted; empty unless it was forced.
    pub functions: Vec<FunctionName>,
}

impl Changes<'_> {
    /// Removes one version of a model, or all (`pick` is `None`). What live functions use is removed only if forced.
    ///
    /// # Errors
    /// [`StoreError::ModelMissing`], [`StoreError::ModelInUse`], or the metadata cannot be written. Then nothing has changed.
    pub fn remove_model(
        &self,
        tenant: &TenantName,
        name: &ModelName,
        pick: Option<&Pick>,
        force: bool,
    ) -> Result<Removal, StoreError> {
        self.write(|tx| {
            let versions = match pick {
                Some(pick) => vec![require(tx, tenant, name, pick)?],
                None => {
                    let sql = format!("{} AND v.tenant = ?1 AND v.name = ?2 ORDER BY v.version DESC", super::SELECT);
                    list(tx, &sql, params![tenant.as_str(), name.as_str()])?
                }
            };
            if versions.is_empty() {
                return Err(StoreError::ModelMissing(written(name, pick)));
            }
            let mut functions = BTreeSet::new();
            for version in &versions {
                functions.extend(users(tx, version)?);
            }
            let functions: Vec<FunctionName> = functions.into_iter().collect();
            if !functions.is_empty() && !force {
                return Err(StoreError::ModelInUse { model: written(name, pick), functions });
            }
            versions.iter().try_for_each(|version| remove(tx, version))?;
            Ok(Removal { versions, functions })
        })
    }
}

impl Store {
    /// The removed versions that versions of functions still name, whether or not those serve: whoever asks for one gets none.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn removed_in_use(&self) -> Result<Vec<(TenantName, ModelName, Version)>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT DISTINCT m.tenant, m.name, m.version FROM function_model b JOIN model_version m ON m.id = b.model
                 WHERE m.removed_ms IS NOT NULL",
            )?;
            let rows =
                query.query_map([], |row| Ok((parsed(row, "tenant")?, parsed(row, "name")?, super::version(row)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Removes all models of a tenant, whoever uses them.
pub(crate) fn remove_all(tx: &Changing<'_>, tenant: &TenantName) -> Result<Vec<ModelVersion>, StoreError> {
    let sql = format!("{} AND v.tenant = ?1 ORDER BY v.name, v.version DESC", super::SELECT);
    let versions = list(tx, &sql, params![tenant.as_str()])?;
    versions.iter().try_for_each(|version| remove(tx, version))?;
    Ok(versions)
}

/// The versions of models that versions of functions mean which serve.
const USED: &str = "FROM function_model b JOIN model_version m ON m.id = b.model
    JOIN function_version f ON f.id = b.function WHERE f.id IN (SELECT function FROM function_serves)";

/// The live functions of its owner that mean a version. Those of others, to whom it was granted, hinder nobody: the owner can take
/// the grant back at any time.
fn users(tx: &Transaction<'_>, model: &ModelVersion) -> Result<Vec<FunctionName>, StoreError> {
    let mut query =
        tx.prepare_cached(&format!("SELECT DISTINCT f.name {USED} AND m.id = ?1 AND f.tenant = m.tenant"))?;
    let rows = query.query_map([id(tx, model)?], |row| parsed(row, "name"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Its files stay named as long as it can be gone back to ([`crate::history`]).
pub(crate) fn remove(tx: &Changing<'_>, model: &ModelVersion) -> Result<(), StoreError> {
    let row = id(tx, model)?;
    model.labels.iter().try_for_each(|label| labels::take(tx, model, label))?;
    let subject = format!("{}@{}", model.name, model.version);
    let digest = model.digest.to_string();
    let note = Note::new("model.remove", &model.tenant, &subject).detail(&digest);
    let event = note.values(Some(&digest), None).write(tx)?;
    Item::model(&model.tenant, model.name.as_str(), &model.version.to_string()).ends(tx, event.id)?;
    let of = params![model.tenant.as_str(), model.name.as_str(), model.version.get()];
    tx.execute("DELETE FROM model_pin WHERE tenant = ?1 AND name = ?2 AND version = ?3", of)?;
    tx.execute("UPDATE model_version SET removed_ms = ?2 WHERE id = ?1", (row, event.at_ms))?;
    grants::forget_if_gone(tx, &model.tenant, &model.name)
}
