//! Models come in: a file that stands its trial becomes a version, others are refused with the reason.

use std::sync::Arc;

use modelet_spec::{Digest, Label, ModelName, TenantName};
use modelet_store::{ModelVersion, NewModelVersion};

use crate::control::{Control, blocking};
use crate::description::describe;
use crate::error::ControlError;
use crate::forms::Source;

/// Makes a blob a version of a model, after a trial in a process of its own. The same bytes as the newest version make no
/// new one; they stand their trial like all others.
pub(crate) async fn push(
    control: &Arc<Control>,
    tenant: &TenantName,
    name: &ModelName,
    blob: Digest,
    label: Option<Label>,
) -> Result<ModelVersion, ControlError> {
    let runtime = control.inference.ready()?.clone();
    let bytes = measure(control, &blob)?;
    let source = Source::of_file(name.to_string(), blob, control.store.blob_path(&blob));
    let (facts, _) = control.forms.make(&runtime, &source).await?;
    let (control, tenant, name) = (Arc::clone(control), tenant.clone(), name.clone());
    blocking(move || {
        let description = serde_json::to_string(&describe(&facts.description));
        let description_json = description.map_err(|e| ControlError::Internal(format!("a description: {e}")))?;
        let new = NewModelVersion { tenant, name, digest: blob, bytes, description_json, label };
        let stored = control.store.put_model(&new)?;
        tracing::info!(
            tenant = %stored.tenant, model = %stored.name, version = %stored.version, created = stored.created, "model pushed"
        );
        Ok(stored)
    })
    .await
}

/// The length of a blob, if it is there and no longer than a model may be.
fn measure(control: &Control, blob: &Digest) -> Result<u64, ControlError> {
    let file = std::fs::metadata(control.store.blob_path(blob)).map_err(|_| ControlError::NoBlob(*blob))?;
    let limit = control.config.limits.model_bytes.0;
    if file.len() > limit {
        return Err(ControlError::TooLarge { what: "model", limit, key: "model_bytes" });
    }
    Ok(file.len())
}
