//! Models come in: bytes that ONNX Runtime loads become a version, others are refused with its message.

use std::sync::Arc;

use modelet_spec::{Digest, Label, ModelName, TenantName};
use modelet_store::{ModelVersion, NewModelVersion};

use crate::control::{Control, blocking};
use crate::description::describe;
use crate::error::ControlError;
use crate::models::load_model;

/// Makes a blob a version of a model, after loading it once. The same bytes as the newest version make no new one.
pub(crate) async fn push(
    control: &Arc<Control>,
    tenant: &TenantName,
    name: &ModelName,
    blob: Digest,
    label: Option<Label>,
) -> Result<ModelVersion, ControlError> {
    let runtime = control.inference.ready()?.clone();
    let _permit = control.models.check_permit().await;
    let (control, tenant, name) = (Arc::clone(control), tenant.clone(), name.clone());
    blocking(move || {
        if !control.store.has_blob(&blob) {
            return Err(ControlError::NoBlob(blob));
        }
        let bytes = control.store.blob(&blob)?;
        let limit = control.config.limits.model_bytes.0;
        if bytes.len() as u64 > limit {
            return Err(ControlError::TooLarge { what: "model", limit, key: "model_bytes" });
        }
        let size = bytes.len() as u64;
        let model = load_model(&runtime, bytes, name.as_str()).map_err(|e| ControlError::Model(e.to_string()))?;
        let description = serde_json::to_string(&describe(model.description()));
        let description_json = description.map_err(|e| ControlError::Internal(format!("a description: {e}")))?;
        let new = NewModelVersion { tenant, name, digest: blob, bytes: size, description_json, label };
        let stored = control.store.put_model(&new)?;
        tracing::info!(
            tenant = %stored.tenant, model = %stored.name, version = %stored.version, created = stored.created, "model pushed"
        );
        Ok(stored)
    })
    .await
}
