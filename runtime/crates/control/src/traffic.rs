//! How a function's requests are shared out among its versions: set, and taken back.

use std::sync::Arc;

use modelet_spec::{FunctionName, TenantName, Traffic};

use crate::acting::Acting;
use crate::control::{Control, FunctionEntry, blocking};
use crate::error::ControlError;
use crate::lineup::{Plan, traffic_json};
use crate::switch::{Why, switch};

/// Shares requests out as said; `None`: the live version has all of them, and the next deploy goes live again. Returns what
/// serves, with a note where something could not be done.
pub(crate) async fn share(
    control: &Acting,
    tenant: TenantName,
    name: FunctionName,
    traffic: Option<Traffic>,
) -> Result<(Arc<FunctionEntry>, Option<String>), ControlError> {
    let _publishing = control.publishing.lock().await;
    let (this, of) = (Arc::clone(control), (tenant, name));
    let (plan, why) = blocking(move || planned(&this, of, traffic)).await?;
    switch(control, plan, why).await
}

fn planned(
    control: &Control,
    (tenant, name): (TenantName, FunctionName),
    traffic: Option<Traffic>,
) -> Result<(Plan, Why), ControlError> {
    let serving = control.store.serving(&tenant, &name)?.ok_or_else(|| ControlError::NoFunction(name.to_string()))?;
    let versions = control.store.function_versions(&tenant, &name)?;
    let stray = |traffic: &Traffic| traffic.versions().find(|wanted| versions.iter().all(|v| v.version != *wanted));
    if let Some(version) = traffic.as_ref().and_then(stray) {
        return Err(ControlError::NoVersion { function: name.to_string(), version });
    }
    let live = traffic.as_ref().map_or(serving.live, |traffic| traffic.live(serving.live));
    let detail = traffic.as_ref().map(traffic_json).transpose()?.unwrap_or_default();
    Ok((Plan { tenant, name, live, traffic }, Why { kind: "function.traffic", detail }))
}
