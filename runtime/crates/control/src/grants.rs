//! Grants: who may use whose model, in memory for every `load-by-name`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use modelet_spec::{Digest, ModelName, TenantName};
use modelet_store::{Changes, Grant, Revision, Store};

use crate::acting::Acting;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::pinned::Pinned;
use crate::wire;

/// To whom each model is granted, and whether that one's calls may be joined with other tenants'.
type ByModel = HashMap<(TenantName, ModelName), HashMap<TenantName, bool>>;

/// All grants of this moment.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    by_model: ArcSwap<ByModel>,
    /// Held while they change: what was read last must be what stays.
    changing: Mutex<()>,
}

impl Grants {
    /// Those of the store. Blocks.
    pub(crate) fn read(store: &Store) -> Result<Self, ControlError> {
        Ok(Self { by_model: ArcSwap::from_pointee(by_model(store)?), changing: Mutex::default() })
    }

    /// Changes them in the store, and then here. Blocks.
    pub(crate) fn change<T>(
        &self,
        changes: &Changes<'_>,
        change: impl FnOnce(&Changes<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(changes)?;
        self.by_model.store(Arc::new(by_model(changes)?));
        Ok(done)
    }

    /// Whether a tenant may use a model: its own, or one that is granted to it.
    pub(crate) fn allow(&self, user: &TenantName, model: &Pinned) -> bool {
        *user == model.owner || self.of(model, |to| to.contains_key(user))
    }

    /// The circle in which a tenant's calls to a model may be joined with other tenants'. Its owner agrees by a grant; with whom it
    /// shares nothing, it has no circle either.
    pub(crate) fn circle(&self, user: &TenantName, model: &Pinned) -> Option<u64> {
        let agreed = match *user == model.owner {
            true => self.of(model, |to| to.values().any(|share| *share)),
            false => self.of(model, |to| to.get(user).copied().unwrap_or(false)),
        };
        agreed.then(|| number(&model.owner, &model.name))
    }

    fn of(&self, model: &Pinned, ask: impl FnOnce(&HashMap<TenantName, bool>) -> bool) -> bool {
        let grants = self.by_model.load();
        // Most servers have none: then nothing is copied and compared.
        !grants.is_empty() && grants.get(&(model.owner.clone(), model.name.clone())).is_some_and(ask)
    }
}

fn by_model(store: &Store) -> Result<ByModel, ControlError> {
    let mut by_model = ByModel::new();
    for grant in store.grants()? {
        by_model.entry((grant.owner, grant.model)).or_default().insert(grant.to, grant.share_batch);
    }
    Ok(by_model)
}

/// A model's name as a number; never 0, which is no circle.
fn number(owner: &TenantName, model: &ModelName) -> u64 {
    let digest = Digest::of(format!("{owner}/{model}").as_bytes());
    digest.as_bytes().first_chunk().map_or(1, |bytes| u64::from_be_bytes(*bytes)).max(1)
}

/// Grants a model.
pub(crate) async fn grant(
    control: &Acting,
    owner: TenantName,
    model: ModelName,
    to: TenantName,
    share_batch: bool,
) -> Result<wire::Grant, ControlError> {
    if owner == to {
        return Err(ControlError::BadRequest(format!("the model is the tenant {to}'s own: it needs no grant")));
    }
    let control = control.clone();
    blocking(move || {
        let grant = |changes: &Changes<'_>| Ok(changes.grant_model(&owner, &model, &to, share_batch)?);
        let granted = control.models.grants.change(&control.changes(), grant)?;
        tracing::info!(tenant = %owner, %model, %to, share_batch, "granted a model");
        Ok(view(granted))
    })
    .await
}

/// Takes a grant back: from the next `load-by-name` on, there is no such model.
pub(crate) async fn revoke(
    control: &Acting,
    owner: TenantName,
    model: ModelName,
    to: TenantName,
) -> Result<wire::Grant, ControlError> {
    let control = control.clone();
    blocking(move || {
        let revoke = |changes: &Changes<'_>| Ok(changes.revoke_model(&owner, &model, &to)?);
        let revoked = control.models.grants.change(&control.changes(), revoke)?;
        tracing::info!(tenant = %owner, %model, %to, "took a grant back");
        Ok(view(revoked))
    })
    .await
}

/// To whom a model is granted, and the revision that it had before that was read. Blocks.
pub(crate) fn list(
    control: &Control,
    owner: &TenantName,
    model: &ModelName,
) -> Result<(Vec<wire::Grant>, Revision), ControlError> {
    let version = control.store.model(owner, model, &modelet_spec::Pick::Latest)?;
    let revision = version.ok_or_else(|| ControlError::NoModel(model.to_string()))?.revision;
    let grants = control.store.grants()?.into_iter();
    Ok((grants.filter(|grant| grant.owner == *owner && grant.model == *model).map(view).collect(), revision))
}

/// What was granted to a tenant. Blocks.
pub(crate) fn granted(control: &Control, to: &TenantName) -> Result<Vec<wire::GrantedModel>, ControlError> {
    let granted = control.store.granted_models(to)?.into_iter().map(|(grant, version)| wire::GrantedModel {
        owner: grant.owner,
        name: grant.model,
        version: version.version,
        digest: version.digest,
        labels: version.labels.iter().map(ToString::to_string).collect(),
        share_batch: grant.share_batch,
    });
    Ok(granted.collect())
}

fn view(grant: Grant) -> wire::Grant {
    let Grant { model, to, share_batch, granted_ms, .. } = grant;
    wire::Grant { model, to, share_batch, granted_ms }
}
