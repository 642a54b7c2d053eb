//! Movable names of versions.

use super::{ModelVersion, require, written};
use crate::changes::{Changes, Changing};
use crate::error::StoreError;
use crate::events::Note;
use crate::history::Item;
use modelet_spec::{Label, ModelName, Pick, TenantName};
use rusqlite::params;

impl Changes<'_> {
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
        self.write(|tx| {
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
        self.write(|tx| {
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
pub(crate) fn put(tx: &Changing<'_>, model: &ModelVersion, label: &Label) -> Result<(), StoreError> {
    let number = model.version;
    let before = super::find(tx, &model.tenant, &model.name, &Pick::Label(label.clone()))?;
    let moved = tx.execute(
        "INSERT INTO model_label (tenant, name, label, version) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, name, label) DO UPDATE SET version = ?4 WHERE version <> ?4",
        params![model.tenant.as_str(), model.name.as_str(), label.as_str(), number.get()],
    )?;
    if moved > 0 {
        let subject = format!("{}@{number}", model.name);
        let (before, after) = (before.map(|before| before.version.to_string()), number.to_string());
        let note = Note::new("model.label", &model.tenant, &subject).detail(label.as_str());
        let event = note.values(before.as_deref(), Some(&after)).write(tx)?.id;
        Item::label(&model.tenant, model.name.as_str(), label.as_str()).begins(tx, &after, event)?;
    }
    Ok(())
}

/// Takes a label away from the version at which it stands.
pub(crate) fn take(tx: &Changing<'_>, model: &ModelVersion, label: &Label) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM model_label WHERE tenant = ?1 AND name = ?2 AND label = ?3",
        params![model.tenant.as_str(), model.name.as_str(), label.as_str()],
    )?;
    let subject = format!("{}@{}", model.name, model.version);
    let before = model.version.to_string();
    let note = Note::new("model.unlabel", &model.tenant, &subject).detail(label.as_str());
    let event = note.values(Some(&before), None).write(tx)?.id;
    Item::label(&model.tenant, model.name.as_str(), label.as_str()).ends(tx, event)
}
