//! The models of a function: each name of its manifest becomes one version, for good.

use std::collections::BTreeMap;
use std::sync::Arc;

use modelet_spec::manifest::{Manifest, ModelSource};
use modelet_spec::{ModelCard, ModelRef, TenantName};

use crate::acting::Acting;
use crate::artifact::Given;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::pinned::Pinned;
use crate::push::{Push, tried};
use crate::wire::GivenModel;

/// A function's models by the names that it uses.
pub(crate) type Bound = BTreeMap<String, Pinned>;

/// Resolves every model of the manifest. Files become versions of the model that is named like the alias, in the transaction of the
/// deploy: one that fails, or a server that dies meanwhile, leaves none.
pub(crate) async fn bind(
    control: &Acting,
    tenant: &TenantName,
    manifest: &Manifest,
    given: &BTreeMap<String, GivenModel>,
) -> Result<Bound, ControlError> {
    let mut bound = Bound::new();
    for (alias, source) in &manifest.models {
        let pinned = match (given.get(alias), source) {
            (Some(GivenModel::Blob { blob }), _) => {
                let name = alias.parse().map_err(|e| ControlError::Manifest(format!("models.{alias}: {e}")))?;
                let given = Given::file(*blob)?;
                let (tenant, card) = (tenant.clone(), ModelCard::default());
                come_with(control, Push { tenant, name, given, card, label: None }).await?
            }
            (Some(GivenModel::Files(files)), _) => {
                let name = alias.parse().map_err(|e| ControlError::Manifest(format!("models.{alias}: {e}")))?;
                come_with(control, Push::of(tenant, name, (**files).clone())?).await?
            }
            (Some(GivenModel::Ref(reference)), _) | (None, ModelSource::Ref(reference)) => {
                find(control, tenant, alias, reference.clone()).await?
            }
            (None, ModelSource::File(file)) => {
                return Err(ControlError::NoModelFile { alias: alias.clone(), file: file.clone() });
            }
        };
        bound.insert(alias.clone(), pinned);
    }
    Ok(bound)
}

/// Tries a model that comes with the deploy. It is the newest version, where that is the same.
async fn come_with(control: &Arc<Control>, push: Push) -> Result<Pinned, ControlError> {
    let new = tried(control, push).await?;
    let control = Arc::clone(control);
    blocking(move || match control.store.expected_version(&new)? {
        // A label is a change of its own, and comes with a new version or none.
        (version, false) if new.label.is_none() => {
            let found = control.store.model(&new.tenant, &new.name, &modelet_spec::Pick::Version(version))?;
            found.map_or(Err(ControlError::ChangedMeanwhile), Pinned::of)
        }
        (version, _) => Pinned::fresh(version, new),
    })
    .await
}

async fn find(
    control: &Arc<Control>,
    tenant: &TenantName,
    alias: &str,
    reference: ModelRef,
) -> Result<Pinned, ControlError> {
    let (control, tenant, alias) = (Arc::clone(control), tenant.clone(), alias.to_owned());
    blocking(move || {
        // Another tenant's model that is not granted does not exist for this one.
        let owner = reference.owner.as_ref().unwrap_or(&tenant);
        match control.store.usable_model(&tenant, owner, &reference.name, &reference.pick)? {
            Some(model) => Pinned::of(model),
            None => Err(ControlError::NoSuchModel { alias, reference }),
        }
    })
    .await
}
