//! Models come in: what admission lets pass and stands its trial becomes a version.

use std::sync::Arc;

use modelet_spec::{Label, ModelCard, ModelName, TenantName};
use modelet_store::{ModelVersion, NewModelVersion};

use crate::acting::Acting;
use crate::artifact::{Artifact, Given};
use crate::control::{Control, blocking};
use crate::description::describe;
use crate::error::ControlError;
use crate::forms::Source;
use crate::wire::PushFiles;

/// A push.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    /// Whose model.
    pub(crate) tenant: TenantName,
    /// Which model.
    pub(crate) name: ModelName,
    /// Its files.
    pub(crate) given: Given,
    /// Its card.
    pub(crate) card: ModelCard,
    /// A label for the new version.
    pub(crate) label: Option<Label>,
}

impl Push {
    /// A push of several files, as it came over the wire.
    pub(crate) fn of(tenant: &TenantName, name: ModelName, mut files: PushFiles) -> Result<Self, ControlError> {
        let (card, label) = (files.card.take().unwrap_or_default(), files.label.take());
        Ok(Self { tenant: tenant.clone(), name, given: Given::folder(files)?, card, label })
    }
}

/// Makes files a version of a model, after a trial in a process of its own. The files and the card of the newest version make
/// no new one; they stand their trial like all others.
///
/// Nothing is skipped because the server has the same bytes already: the time would tell who else does.
pub(crate) async fn push(control: &Acting, push: Push) -> Result<ModelVersion, ControlError> {
    let new = tried(control, push).await?;
    let control = control.clone();
    blocking(move || {
        let stored = control.changes().put_model(&new)?;
        tracing::info!(
            tenant = %stored.tenant, model = %stored.name, version = %stored.version, created = stored.created, "model pushed"
        );
        Ok(stored)
    })
    .await
}

/// What a push would keep: its files are here and have stood their trial, and nothing names them yet.
pub(crate) async fn tried(control: &Arc<Control>, push: Push) -> Result<NewModelVersion, ControlError> {
    let runtime = control.inference.ready()?.clone();
    let (artifact, source) = admit(control, push.clone()).await?;
    let (facts, _) = control.forms.make(&runtime, &source).await?;
    let Push { tenant, name, card, label, .. } = push;
    Ok(NewModelVersion {
        tenant,
        name,
        digest: artifact.content,
        files: artifact.files,
        card_json: json(&card, "a card")?,
        description_json: json(&describe(&facts.description), "a description")?,
        label,
    })
}

/// Looks at the files without ONNX Runtime, and lays them out for the trial.
async fn admit(control: &Arc<Control>, push: Push) -> Result<(Artifact, Source), ControlError> {
    let control = Arc::clone(control);
    blocking(move || {
        let (store, limits) = (&control.store, &control.config.limits);
        let artifact = Artifact::gather(store, &push.tenant, &push.given, limits)?;
        artifact.admit(&artifact.main(store)?, push.given.is_folder, limits)?;
        let source = artifact.source(store, push.name.to_string(), &push.card)?;
        Ok((artifact, source))
    })
    .await
}

/// As the store keeps it.
pub(crate) fn json(value: &impl serde::Serialize, what: &str) -> Result<String, ControlError> {
    serde_json::to_string(value).map_err(|e| ControlError::Internal(format!("{what} as JSON: {e}")))
}
