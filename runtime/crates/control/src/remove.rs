//! Versions of models go: out of the listings and away from the functions at once, off the disk soon after.

use modelet_spec::{ModelName, Pick, TenantName};
use modelet_store::Changes;

use crate::acting::Acting;
use crate::control::blocking;
use crate::error::ControlError;
use crate::sweep;
use crate::wire::Removed;

/// Removes a version of a model, or all of them.
pub(crate) async fn remove(
    control: &Acting,
    tenant: TenantName,
    name: ModelName,
    pick: Option<Pick>,
    force: bool,
) -> Result<Removed, ControlError> {
    let this = control.clone();
    let removed = blocking(move || {
        let remove = |changes: &Changes<'_>| Ok(changes.remove_model(&tenant, &name, pick.as_ref(), force)?);
        let removal = this.models.grants.change(&this.changes(), remove)?;
        this.models.forget(&removal.versions);
        for version in &removal.versions {
            tracing::info!(tenant = %version.tenant, model = %version.name, version = %version.version, force, "model removed");
        }
        let versions = removal.versions.iter().map(|version| version.version).collect();
        Ok(Removed { versions, functions: removal.functions })
    });
    let removed = removed.await?;
    sweep::once(control);
    Ok(removed)
}
