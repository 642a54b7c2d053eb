//! What is found out of a component before it becomes a version: the steps that a deploy and an import have in common.

use std::sync::Arc;

use modelet_engine::{Inspection, World};
use modelet_spec::manifest::Manifest;
use modelet_spec::{Digest, TenantName};
use modelet_store::CompiledRecord;

use super::trial::Trial;
use super::{Draft, warmth};
use crate::code::Made;
use crate::compile::{Image, Wanted};
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::secrets;

/// The same for a component that comes in another way than by a deploy, with its bytes on the disk. Returns its code, and why its
/// instances cannot be reused.
pub(crate) async fn examine(
    control: &Arc<Control>,
    mut draft: Draft,
) -> Result<(CompiledRecord, Option<String>), ControlError> {
    let (mut made, _) = compile(control, &draft.tenant, &draft.manifest, draft.component).await?;
    // Its tenant may not be there yet, and its secrets not be set: it is called with what there is.
    let (this, tenant, manifest) = (Arc::clone(control), draft.tenant.clone(), draft.manifest.clone());
    draft.tried_with = Some(Arc::new(blocking(move || secrets::settings(&this, &tenant, &manifest)).await?));
    try_out(control, &mut draft, &mut made).await?;
    Ok((made.record, draft.not_reused))
}

/// Looks at a blob and has it compiled, or takes the code that an earlier deploy of the same bytes left. The code is on the disk
/// then; it counts once a version records it.
pub(super) async fn compile(
    control: &Arc<Control>,
    tenant: &TenantName,
    manifest: &Manifest,
    component: Digest,
) -> Result<(Made, Inspection), ControlError> {
    let _permit = control.compiling.acquire().await;
    let (this, tenant) = (Arc::clone(control), tenant.clone());
    let compiled = blocking(move || {
        let inspection = this.engine.check(&this.codes.component(&tenant, &component)?)?;
        let wanted = if inspection.has_init() { Wanted::Image } else { Wanted::Code };
        Ok((this.codes.make(&tenant, component, wanted)?, inspection))
    });
    let (made, inspection) = compiled.await?;
    check_shared(manifest, &inspection)?;
    Ok((made, inspection))
}

/// Several requests at a time in one instance are for guests that can wait for several things at a time.
fn check_shared(manifest: &Manifest, inspection: &Inspection) -> Result<(), ControlError> {
    if manifest.instances.requests > 1 && inspection.world() == Some(World::Proxy) {
        let why = "instances.requests: a function of wasi:http 0.2 has one request at a time in an instance; leave it out, or build it for wasi:http 0.3";
        return Err(ControlError::Manifest(why.to_owned()));
    }
    Ok(())
}

/// Links it and calls it; writes into the draft and the code what was found out.
pub(super) async fn try_out(control: &Arc<Control>, draft: &mut Draft, made: &mut Made) -> Result<Trial, ControlError> {
    warmth::compare(control, draft, made).await?;
    draft.image = made.record.image.as_deref().map(Image::read).transpose()?;
    let trial = Trial::begin(control, draft, &made.record)?;
    trial.link().await?;
    draft.not_reused = trial.why_not_reused().await;
    Ok(trial)
}
