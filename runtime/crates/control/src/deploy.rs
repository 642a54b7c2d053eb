//! From a component to a route that answers. Nothing half-done serves: whatever fails, fails before the swap.
//!
//! Read [`deploy`] first: it is the script. [`bind`] resolves the models, [`publish`] makes the catalog.

mod bind;
mod publish;

use std::sync::Arc;

use modelet_engine::Inspection;
use modelet_spec::manifest::Manifest;
use modelet_spec::{Digest, FunctionName, TenantName};

pub(crate) use bind::{Bound, bind};
pub(crate) use publish::Draft;
use publish::publish;

use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::wire;

/// A component, compiled for the engine that runs.
pub(crate) struct Code {
    /// Its digest, uncompiled.
    pub(crate) component: Digest,
    /// The machine code.
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// Deploys a function: check, compile, bind its models, link, store, serve.
pub(crate) async fn deploy(
    control: &Arc<Control>,
    tenant: TenantName,
    request: wire::Deploy,
) -> Result<wire::Function, ControlError> {
    check_given(&request.manifest, &request.models)?;
    let (code, inspection) = compile(control, &tenant, request.component).await?;
    if !request.allow_new_capabilities {
        refuse_new_powers(control, &tenant, &request.manifest.name, &inspection).await?;
    }
    let bound = bind(control, &tenant, &request.manifest, &request.models).await?;
    let draft = Draft { tenant, manifest: request.manifest, component: request.component, bound };
    let (entry, models) = publish(control, draft, code).await?;
    tracing::info!(tenant = %entry.tenant, function = %entry.function, version = %entry.version, "deployed");
    Ok(crate::views::function(&entry, models))
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

/// Compiles a blob, or takes the code that an earlier deploy of the same bytes left.
async fn compile(
    control: &Arc<Control>,
    tenant: &TenantName,
    component: Digest,
) -> Result<(Code, Inspection), ControlError> {
    let _permit = control.compiling.acquire().await;
    let (control, tenant) = (Arc::clone(control), tenant.clone());
    blocking(move || {
        if !control.store.holds(&tenant, &component)? {
            return Err(ControlError::NoBlob(component));
        }
        let wasm = control.component(&tenant, &component)?;
        if let Some(bytes) = control.store.read_compiled(&component, control.engine.id())? {
            let inspection = control.engine.inspect(&wasm)?;
            return Ok((Code { component, bytes: Arc::new(bytes) }, inspection));
        }
        let started = std::time::Instant::now();
        let compiled = control.engine.compile(&wasm)?;
        tracing::info!(%component, seconds = started.elapsed().as_secs_f64(), "compiled");
        Ok((Code { component, bytes: Arc::new(compiled.code) }, compiled.inspection))
    })
    .await
}

impl Control {
    /// The bytes of a component. Blocks.
    pub(crate) fn component(&self, tenant: &TenantName, digest: &Digest) -> Result<Vec<u8>, ControlError> {
        // The size first: a blob may be as large as a model, and would be read whole.
        let bytes = self.store.blob_bytes(tenant, digest).ok_or(ControlError::NoBlob(*digest))?;
        let limit = self.config.limits.component_bytes.0;
        if bytes > limit {
            return Err(ControlError::TooLarge { what: "component", limit, key: "component_bytes" });
        }
        Ok(self.store.blob(tenant, digest)?)
    }
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
        Ok(Some(control.engine.inspect(&control.component(&tenant, &version.component)?)?))
    });
    let Some(before) = before.await? else { return Ok(()) };
    let before = before.powers();
    let gained: Vec<String> = new.powers().into_iter().filter(|p| !before.contains(p)).map(str::to_owned).collect();
    if gained.is_empty() { Ok(()) } else { Err(ControlError::NewCapabilities(gained)) }
}
