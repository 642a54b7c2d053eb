//! From what serves of a function to what is to serve: made ready first, then swapped at once.
//!
//! Nobody's request fails for it. What is new is in memory before the first request can reach it; what is old answers those that it
//! has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_catalog::CatalogBuilder;
use modelet_engine::Function;
use modelet_spec::{FunctionName, Pick, TenantName, Version};
use modelet_store::NewServing;

use crate::acting::Acting;
use crate::control::{Control, FunctionCatalog, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::lineup::Plan;

/// How long a version may take to come into memory.
const WAKE_MAX: Duration = Duration::from_secs(60);

/// Why what serves is changed, as the event tells it.
#[derive(Debug, Clone)]
pub(crate) struct Why {
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
}

/// Has a function served as planned. The caller holds `publishing`. Returns what serves, with a note where instances could not be
/// kept warm.
pub(crate) async fn switch(
    control: &Acting,
    plan: Plan,
    why: Why,
) -> Result<(Arc<FunctionEntry>, Option<String>), ControlError> {
    control.loaded()?;
    let before = control.serving(&plan.tenant, &plan.name);
    let (this, planned) = (Arc::clone(control), plan.clone());
    let serving = before.clone();
    let entry = blocking(move || {
        models_there(&this, &planned, serving.as_ref())?;
        planned.line_up(&this, None)
    });
    let entry = entry.await?;
    for version in entry.all() {
        version.handle.wake(Instant::now() + WAKE_MAX).await?;
    }
    let (this, next_entry) = (control.clone(), Arc::clone(&entry));
    let Why { kind, detail } = why.clone();
    let min = blocking(move || {
        // Built before anything is stored: a route that cannot be served must change nothing.
        let next = with(&this, Arc::clone(&next_entry))?;
        let min = kept(&this, &next_entry)?;
        let _both = this.both.write();
        this.changes().serve(&NewServing { serving: &plan.stored()?, kind, detail: &detail })?;
        this.catalog.store(Arc::new(next));
        this.failed.forget(&next_entry.tenant, &next_entry.function);
        Ok(min)
    });
    let min = min.await?;
    let_go(before.as_ref(), Some(&entry)).await?;
    let note = crate::scale::keep(&entry, min).await;
    tracing::info!(
        tenant = %entry.tenant, function = %entry.function, version = %entry.version, kind = why.kind, detail = why.detail,
        "what serves of a function has changed"
    );
    Ok((entry, note))
}

/// Refuses a version that nobody reaches yet and that would find one of its models gone at the first request.
fn models_there(control: &Control, plan: &Plan, serving: Option<&Arc<FunctionEntry>>) -> Result<(), ControlError> {
    let Plan { tenant, name, live, traffic } = plan;
    let wanted = traffic.iter().flat_map(|traffic| traffic.versions().collect::<Vec<_>>()).chain([*live]);
    let is_reached = |version: &Version| serving.is_some_and(|serving| serving.at(*version).is_some());
    for version in wanted.filter(|version| !is_reached(version)) {
        for model in control.store.function_version_kept(tenant, name, version)?.models {
            let pick = Pick::Version(model.version);
            let found = control.store.usable_model(tenant, &model.owner, &model.name, &pick)?;
            if found.is_none_or(|found| found.digest != model.digest) {
                let owner = if model.owner == *tenant { String::new() } else { format!("{}/", model.owner) };
                let model = format!("{owner}{}@{}", model.name, model.version);
                return Err(ControlError::ModelGone { function: name.to_string(), version, model });
            }
        }
    }
    Ok(())
}

/// How many instances of the live version are kept warm.
pub(crate) fn kept(control: &Control, entry: &FunctionEntry) -> Result<u32, ControlError> {
    let said = control.store.scale(&entry.tenant, &entry.function)?;
    Ok(said.unwrap_or(entry.handle.spec().instances.min))
}

/// What ran before and runs no longer is kept warm no longer; nor is what is live no longer. It may have requests for a while.
pub(crate) async fn let_go(
    before: Option<&Arc<FunctionEntry>>,
    after: Option<&Arc<FunctionEntry>>,
) -> Result<(), ControlError> {
    let Some(before) = before else { return Ok(()) };
    if !after.is_some_and(|after| Arc::ptr_eq(&after.handle, &before.handle)) {
        before.handle.scale(0).await?;
    }
    Ok(())
}

/// The catalog that serves, with this entry in the place of the one of the same function.
pub(crate) fn with(control: &Control, entry: Arc<FunctionEntry>) -> Result<FunctionCatalog, ControlError> {
    let mut builder = serving(control);
    builder.add(entry)?;
    Ok(builder.build())
}

/// The catalog that serves, without a function.
pub(crate) fn without(control: &Control, tenant: &TenantName, name: &FunctionName) -> FunctionCatalog {
    let mut builder = serving(control);
    builder.remove(tenant, name);
    builder.build()
}

/// A catalog of those that serve and are to stay, for more to be added.
pub(crate) fn those(control: &Control, stays: impl Fn(&FunctionEntry) -> bool) -> CatalogBuilder<Arc<Function>> {
    let mut builder = serving(control);
    builder.retain(stays);
    builder
}

/// The catalog that serves, with what tenants may claim now.
pub(crate) fn serving(control: &Control) -> CatalogBuilder<Arc<Function>> {
    CatalogBuilder::of(&control.catalog.load()).claimed(control.tenants.load().claimed())
}
