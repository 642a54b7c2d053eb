//! From a component to a route that answers. Nothing half-done serves: whatever fails, fails before the swap.
//!
//! Read [`deploy`] first: it is the script. [`bind`] resolves the models; [`examine`](mod@examine) is what an import does, too: it has the component
//! compiled, [`warmth`] tells what a warm-start image is worth, [`trial`] links it and calls the guest. [`cases`] asks it what its
//! manifest says, [`publish`] makes the catalog.

mod bind;
mod cases;
mod claims;
mod examine;
mod publish;
mod trial;
mod warmth;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use bind::{Bound, bind};
pub(crate) use examine::examine;
use modelet_engine::Inspection;
use modelet_engine::ports::Settings;
use modelet_spec::manifest::Manifest;
use modelet_spec::{Digest, FunctionName, TenantName};
pub(crate) use publish::{Draft, Shown, routes};
use publish::{Published, publish};

use crate::acting::Acting;
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::guest_log::GuestLog;
use crate::{secrets, switch, views, wire};

/// How long linking may take: it waits for its turn, and reads one file.
const LINK_MAX: Duration = Duration::from_secs(60);

/// Deploys a function: check, compile, bind its models, link, call it, ask it its cases, store, serve.
pub(crate) async fn deploy(
    control: &Acting,
    tenant: TenantName,
    request: wire::Deploy,
) -> Result<wire::Function, ControlError> {
    check_given(&request.manifest, &request.models)?;
    claims::check(control, &tenant, &request.manifest)?;
    let settings = settings(control, &tenant, &request.manifest).await?;
    check_held(control, &tenant, request.component).await?;
    let (mut made, inspection) = examine::compile(control, &tenant, &request.manifest, request.component).await?;
    if !request.allow_new_capabilities {
        refuse_new_powers(control, &tenant, &request.manifest.name, &inspection).await?;
    }
    let bound = bind(control, &tenant, &request.manifest, &request.models).await?;
    let mut draft = Draft {
        tenant,
        manifest: request.manifest,
        component: request.component,
        bound,
        not_reused: None,
        image: None,
        tried_with: Some(Arc::new(settings)),
    };
    let trial = examine::try_out(control, &mut draft, &mut made).await?;
    cases::run(control, &draft, &made.record, &request.files).await?;
    let before = control.serving(&draft.tenant, &draft.manifest.name);
    let Published { serving, version, shown, min } = publish(control, draft, made.record).await?;
    trial.leave_log(&GuestLog::new(&control.logs, &serving.tenant, &serving.function, version));
    // It may have requests for a while; what is kept warm is the new version's from now on.
    switch::let_go(before.as_ref(), Some(&serving)).await?;
    // Before the trial's own copy of the component goes: nothing is read again.
    let woken = match serving.at(version) {
        Some(new) => new.handle.wake(Instant::now() + LINK_MAX).await.is_ok(),
        None => false,
    };
    drop(trial);
    tracing::info!(
        tenant = %serving.tenant, function = %serving.function, %version, live = %serving.version, is_awake = woken,
        notes = ?shown.notes, "deployed"
    );
    let not_kept = if serving.version == version { crate::scale::keep(&serving, min).await } else { None };
    let mut function = views::deployed(control, &serving, version, shown).await?;
    function.notes.extend(not_kept);
    function.compile = made.took.map(views::compile);
    Ok(function)
}

/// Every model that comes with a deploy must be one that the manifest names.
fn check_given(
    manifest: &Manifest,
    given: &std::collections::BTreeMap<String, wire::GivenModel>,
) -> Result<(), ControlError> {
    match given.keys().find(|alias| !manifest.models.contains_key(*alias)) {
        Some(stray) => Err(ControlError::StrayModel(stray.clone())),
        None => Ok(()),
    }
}

/// What it reads by `wasi:config`. A secret that is not there is told before anything is compiled.
async fn settings(control: &Arc<Control>, tenant: &TenantName, manifest: &Manifest) -> Result<Settings, ControlError> {
    let (control, tenant, manifest) = (Arc::clone(control), tenant.clone(), manifest.clone());
    blocking(move || {
        secrets::check(&control, &tenant, &manifest)?;
        secrets::settings(&control, &tenant, &manifest)
    })
    .await
}

/// Refuses a component whose bytes the tenant has not sent.
async fn check_held(control: &Arc<Control>, tenant: &TenantName, component: Digest) -> Result<(), ControlError> {
    let (control, tenant) = (Arc::clone(control), tenant.clone());
    blocking(move || match control.store.holds(&tenant, &component)? {
        true => Ok(()),
        false => Err(ControlError::NoBlob(component)),
    })
    .await
}

/// Refuses a version that can do more than the one before, unless it was said to be meant.
async fn refuse_new_powers(
    control: &Arc<Control>,
    tenant: &TenantName,
    name: &FunctionName,
    new: &Inspection,
) -> Result<(), ControlError> {
    let (control, tenant, name) = (Arc::clone(control), tenant.clone(), name.clone());
    let before = blocking(move || {
        let Some(version) = control.store.function(&tenant, &name)? else { return Ok(None) };
        Ok(Some(control.engine.inspect(&control.codes.component(&tenant, &version.component)?)?))
    });
    let Some(before) = before.await? else { return Ok(()) };
    let before = before.powers();
    let gained: Vec<String> = new.powers().into_iter().filter(|p| !before.contains(p)).map(str::to_owned).collect();
    if gained.is_empty() { Ok(()) } else { Err(ControlError::NewCapabilities(gained)) }
}
