//! Back to an earlier version, or on to a later one: at once, for all requests.

use std::sync::Arc;

use modelet_spec::{FunctionName, TenantName, Version};

use crate::acting::Acting;
use crate::control::{Control, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::lineup::Plan;
use crate::switch::{Why, switch};

/// Makes a version live (the next lower number that is there, where none is named) and ends whatever shares requests out. Returns
/// what serves, with a note where something could not be done.
pub(crate) async fn rollback(
    control: &Acting,
    tenant: TenantName,
    name: FunctionName,
    to: Option<Version>,
) -> Result<(Arc<FunctionEntry>, Option<String>), ControlError> {
    let _publishing = control.publishing.lock().await;
    let (this, of) = (Arc::clone(control), (tenant, name));
    let (plan, why) = blocking(move || planned(&this, of, to)).await?;
    switch(control, plan, why).await
}

fn planned(
    control: &Control,
    (tenant, name): (TenantName, FunctionName),
    to: Option<Version>,
) -> Result<(Plan, Why), ControlError> {
    let serving = control.store.serving(&tenant, &name)?.ok_or_else(|| ControlError::NoFunction(name.to_string()))?;
    let versions = control.store.function_versions(&tenant, &name)?;
    let before = || versions.iter().map(|version| version.version).find(|version| *version < serving.live);
    let no_version = |version: Version| ControlError::NoVersion { function: name.to_string(), version };
    let live = match to {
        Some(to) if versions.iter().all(|version| version.version != to) => return Err(no_version(to)),
        Some(to) => to,
        None => {
            before().ok_or_else(|| ControlError::NothingBefore { function: name.to_string(), live: serving.live })?
        }
    };
    let why = Why { kind: "function.rollback", detail: format!("from {}", serving.live) };
    Ok((Plan { tenant, name, live, traffic: None }, why))
}
