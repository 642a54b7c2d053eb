//! How many instances of a function are kept warm: what its owner says beats the manifest.

use std::sync::Arc;

use modelet_spec::{FunctionName, TenantName};

use crate::acting::Acting;
use crate::control::{FunctionEntry, blocking};
use crate::error::ControlError;

/// Keeps `min` instances of a function warm from now on, over restarts and new versions.
pub(crate) async fn scale(
    control: &Acting,
    tenant: TenantName,
    name: FunctionName,
    min: u32,
) -> Result<(), ControlError> {
    // No version may come into service between the instances and the word that is kept.
    let _publishing = control.publishing.lock().await;
    let entry = control.serving(&tenant, &name).ok_or_else(|| ControlError::NoFunction(name.to_string()))?;
    let this = control.clone();
    blocking(move || this.check()).await?;
    // Made before it is kept: what cannot be there is no wish that fails at each start.
    entry.handle.scale(min).await?;
    let control = control.clone();
    blocking(move || Ok(control.changes().set_scale(&tenant, &name, min)?)).await
}

/// Makes the instances of a version that has just come into service. What hinders that is logged and returned: it serves all the
/// same.
pub(crate) async fn keep(entry: &FunctionEntry, min: u32) -> Option<String> {
    if min == 0 {
        return None;
    }
    let error = entry.handle.scale(min).await.err()?;
    tracing::error!(
        tenant = %entry.tenant, function = %entry.function, version = %entry.version, min, %error,
        "instances are not kept warm"
    );
    Some(format!("no instances are kept warm: {error}"))
}

/// At the start: makes what is to be kept warm, one function after the other, while the others serve.
pub(crate) fn keep_all(kept: Vec<(Arc<FunctionEntry>, u32)>) {
    tokio::spawn(async move {
        for (entry, min) in kept {
            keep(&entry, min).await;
        }
    });
}
