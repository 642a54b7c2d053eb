//! Movable names of versions.

use super::{ModelVersion, require, written};
use crate::error::StoreError;
use crate::events::noted;
use crate::history::Item;
use crate::store::Store;
use modelet_spec::{Label, ModelName, Pick, TenantName};
use rusqlite::{Transaction, params};

impl Store {
    /// Puts a label at a version; where it stood before, it stands no longer. Returns the version.
    ///
    /// # Errors
    /// [`StoreError::ModelMissing`], or the metadata cannot be written.
    pub fn label_model(
        &self,
        tenant: &TenantName,
        name: &ModelName,
        pick: &Pick,
        label: &Label,
    ) -> Result<ModelVersion, StoreError> {
        self.db.write(|tx| {
            put(tx, &require(tx, tenant, name, pick)?, label)?;
            require(tx, tenant, name, &Pick::Label(label.clone()))
        })
    }

    /// Takes a label away; with `pick`, only if it stands at that version. Returns the version at which it stood.
    ///
    /// # Errors
    /// [`StoreError::ModelMissing`], [`StoreError::LabelMissing`], or the metadata cannot be written.
    pub fn unlabel_model(
        &self,
        tenant: &TenantName,
        name: &ModelName,
        pick: Option<&Pick>,
        label: &Label,
    ) -> Result<ModelVersion, StoreError> {
        self.db.write(|tx| {
            let meant = require(tx, tenant, name, pick.unwrap_or(&Pick::Latest))?;
            let labelled = super::find(tx, tenant, name, &Pick::Label(label.clone()))?;
            let labelled = labelled.filter(|found| pick.is_none() || found.version == meant.version);
            let labelled = labelled
                .ok_or_else(|| StoreError::LabelMissing { model: written(name, pick), label: label.clone() })?;
            take(tx, &labelled, label)?;
            require(tx, tenant, name, &Pick::Version(labelled.version))
        })
    }
}

/// Puts a label at a version.
pub(crate) fn put(tx: &Transaction<'_>, model: &ModelVersion, label: &Label) -> Result<(), StoreError> {
    let number = model.version;
    let moved = tx.execute(
        "INSERT INTO model_label (tenant, name, label, version) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, name, label) DO UPDATE SET version = ?4 WHERE version <> ?4",
        params![model.tenant.as_str(), model.name.as_str(), label.as_str(), number.get()],
    )?;
    if moved > 0 {
        let subject = format!("{}@{number}", model.name);
        let event = noted(tx, "model.label", &model.tenant, &subject, label.as_str())?.id;
        Item::label(&model.tenant, model.name.as_str(), label.as_str()).begins(tx, &number.to_string(), event)?;
    }
    Ok(())
}

/// Takes a label away from the version at which it stands.
pub(crate) fn take(tx: &Transaction<'_>, model: &ModelVersion, label: &Label) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM model_label WHERE tenant = ?1 AND name = ?2 AND label = ?3",
        params![model.tenant.as_str(), model.name.as_str(), label.as_str()],
    )?;
    let subject = format!("{}@{}", model.name, model.version);
    let event = noted(tx, "model.unlabel", &model.tenant, &subject, label.as_str())?.id;
    Item::label(&model.tenant, model.name.as_str(), label.as_str()).ends(tx, event)
}
