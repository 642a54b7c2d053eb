//! What a deploy finds out of a component, for one that comes in another way: an import's.

use std::sync::Arc;

use modelet_store::CompiledRecord;

use super::trial::Trial;
use super::{Draft, check_shared, warmth};
use crate::compile::{Image, Wanted};
use crate::control::{Control, blocking};
use crate::error::ControlError;
use crate::secrets;

/// Compiles, links and calls a component whose bytes are on the disk. Returns its code, and why its instances cannot be reused.
pub(crate) async fn examine(
    control: &Arc<Control>,
    mut draft: Draft,
) -> Result<(CompiledRecord, Option<String>), ControlError> {
    let permit = control.compiling.acquire().await;
    let (this, tenant, component) = (Arc::clone(control), draft.tenant.clone(), draft.component);
    let compiled = blocking(move || {
        let inspection = this.engine.check(&this.codes.component(&tenant, &component)?)?;
        let wanted = if inspection.has_init() { Wanted::Image } else { Wanted::Code };
        Ok((this.codes.make(&tenant, component, wanted)?, inspection))
    });
    let (mut made, inspection) = compiled.await?;
    drop(permit);
    check_shared(&draft.manifest, &inspection)?;
    // Its tenant may not be there yet, and its secrets not be set: it is called with what there is.
    let (this, tenant, manifest) = (Arc::clone(control), draft.tenant.clone(), draft.manifest.clone());
    draft.tried_with = Some(Arc::new(blocking(move || secrets::settings(&this, &tenant, &manifest)).await?));
    warmth::compare(control, &draft, &mut made).await?;
    draft.image = made.record.image.as_deref().map(Image::read).transpose()?;
    let trial = Trial::begin(control, &draft, &made.record)?;
    trial.link().await?;
    Ok((made.record, trial.why_not_reused().await))
}
