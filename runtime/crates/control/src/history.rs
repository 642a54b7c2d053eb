//! What served at an earlier moment, and back to it.

use std::collections::HashMap;
use std::sync::Arc;

use modelet_spec::{At, FunctionName, TenantName, Timestamp, Traffic};
use modelet_store::{Change, FunctionVersion, ModelVersion, Moment, Restored, Serving};

use crate::acting::Acting;
use crate::clock::now_ms;
use crate::control::{Control, FunctionCatalog, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::lineup::Plan;
use crate::restore::draft;
use crate::{sweep, switch, views, wire};

/// The moment that is meant, as far as the history goes back.
pub(crate) fn moment(control: &Control, at: At) -> Result<(Timestamp, Moment), ControlError> {
    let now = Timestamp::from_ms(now_ms());
    let (at, begins) = (at.from(now), At::Ago(control.config.history).from(now));
    if at > now {
        return Err(ControlError::BadRequest(format!("{at} is yet to come; it is {now}")));
    }
    if at < begins {
        return Err(ControlError::BeforeHistory { at, begins });
    }
    Ok((at, control.store.moment(at.ms())?))
}

/// The functions that served at a moment, each with its live version of then.
pub(crate) fn functions(control: &Control, tenant: &TenantName, at: At) -> Result<Vec<wire::Function>, ControlError> {
    let (_, moment) = moment(control, at)?;
    let serving = control.store.serving_at(tenant, moment)?;
    let serving: HashMap<&FunctionName, &Serving> = serving.iter().map(|serving| (&serving.name, serving)).collect();
    let versions = control.store.functions_at(tenant, moment)?;
    let view = |version: &FunctionVersion| {
        let serving = serving.get(&version.name).copied();
        views::then(control, version, &draft(version)?, serving.map(traffic_of).transpose()?.flatten().as_ref())
    };
    versions.iter().map(view).collect()
}

/// The versions of a function that there were at a moment.
pub(crate) fn versions(
    control: &Control,
    (tenant, name): (TenantName, FunctionName),
    at: At,
) -> Result<wire::FunctionVersions, ControlError> {
    let (_, moment) = moment(control, at)?;
    let stored = control.store.function_versions_at(&tenant, &name, moment)?;
    if stored.is_empty() {
        return Err(ControlError::NoFunction(name.to_string()));
    }
    let serving = control.store.serving_at(&tenant, moment)?.into_iter().find(|serving| serving.name == name);
    let traffic = serving.as_ref().map(traffic_of).transpose()?.flatten();
    let versions = stored.iter().map(|version| views::function_version_then(version, traffic.as_ref()));
    let versions = versions.collect::<Result<_, _>>()?;
    Ok(wire::FunctionVersions { tenant, name, versions, next: None, traffic: traffic.as_ref().map(Into::into) })
}

fn traffic_of(serving: &Serving) -> Result<Option<Traffic>, ControlError> {
    Ok(Plan::of(serving.clone())?.traffic)
}

/// The newest version of each model of a tenant at a moment.
pub(crate) fn models(control: &Control, tenant: &TenantName, at: At) -> Result<Vec<ModelVersion>, ControlError> {
    let (_, moment) = moment(control, at)?;
    let mut models = control.store.models_at(tenant, None, moment)?;
    // The newest of each comes first.
    models.dedup_by(|later, first| later.name == first.name);
    Ok(models)
}

/// Goes back to what served at a moment, or says what that would change. All of it or nothing.
pub(crate) async fn restore(
    control: &Acting,
    tenant: TenantName,
    at: At,
    dry_run: bool,
) -> Result<wire::Restored, ControlError> {
    let _publishing = control.publishing.lock().await;
    control.loaded()?;
    let this = control.clone();
    let restored = blocking(move || {
        let (at, moment) = moment(&this, at)?;
        let would = this.store.would_restore(&tenant, moment)?;
        // Also for who only asks: a route that is taken meanwhile is told before anybody relies on the answer.
        let next = catalog(&this, &tenant, &would)?;
        if dry_run {
            return Ok((views::restored(at, would, true), Vec::new()));
        }
        let both = this.both.write();
        let restored = this.changes().restore(&tenant, moment, &at.to_string())?;
        let (gone, back) = models_of(&restored);
        this.models.forget(&gone);
        this.models.find_again(&back);
        let changed = changed(&restored);
        let before = this.catalog.swap(Arc::new(next));
        drop(both);
        changed.keys().for_each(|function| this.failed.forget(&tenant, function));
        tracing::info!(%tenant, %at, changes = restored.changes.len(), missing = restored.missing.len(), "gone back");
        let is_changed = |entry: &&Arc<FunctionEntry>| entry.tenant == tenant && changed.contains_key(&entry.function);
        Ok((views::restored(at, restored, false), before.functions().filter(is_changed).cloned().collect()))
    });
    let (restored, before): (wire::Restored, Vec<Arc<FunctionEntry>>) = restored.await?;
    for before in before {
        let after = control.serving(&before.tenant, &before.function);
        switch::let_go(Some(&before), after.as_ref()).await?;
    }
    sweep::once(control);
    Ok(restored)
}

/// The functions that are served otherwise afterwards, and how; `None`: not at all.
fn changed(restored: &Restored) -> HashMap<FunctionName, Option<Serving>> {
    let function = |change: &Change| match change {
        Change::Function { name, after, .. } => Some((name.clone(), after.clone())),
        Change::Model { .. } | Change::Label { .. } => None,
    };
    restored.changes.iter().filter_map(function).collect()
}

/// The catalog that serves, with what changes.
fn catalog(control: &Control, tenant: &TenantName, restored: &Restored) -> Result<FunctionCatalog, ControlError> {
    let changed = changed(restored);
    let mut builder = switch::serving(control);
    // All of them first: one may take another's route.
    changed.keys().for_each(|name| builder.remove(tenant, name));
    for after in changed.into_values().flatten() {
        builder.add(Plan::of(after)?.line_up(control, None)?)?;
    }
    Ok(builder.build())
}

/// The versions that go, and those that come back.
fn models_of(restored: &Restored) -> (Vec<ModelVersion>, Vec<ModelVersion>) {
    let models = restored.changes.iter().filter_map(|change| match change {
        Change::Model { model, comes } => Some((ModelVersion::clone(model), *comes)),
        Change::Function { .. } | Change::Label { .. } => None,
    });
    let (back, gone): (Vec<_>, Vec<_>) = models.partition(|(_, comes)| *comes);
    let plain = |models: Vec<(ModelVersion, bool)>| models.into_iter().map(|(model, _)| model).collect();
    (plain(gone), plain(back))
}
