//! Which functions serve and name a secret: their live versions, and those that have a part of the requests or copies of them.

use modelet_spec::{SecretName, TenantName};
use modelet_store::FunctionVersion;

use crate::control::Control;
use crate::error::ControlError;
use crate::lineup::Plan;
use crate::restore::draft;

/// A function that names a secret, as it is stored.
pub(super) struct User {
    pub(super) live: FunctionVersion,
    pub(super) plan: Option<Plan>,
}

/// The functions of a tenant that name a secret, sorted. Blocks.
pub(super) fn of(control: &Control, tenant: &TenantName, secret: &SecretName) -> Result<Vec<User>, ControlError> {
    let mut shared = control.shared_out(Some(tenant))?;
    let mut users = Vec::new();
    for live in control.store.functions(Some(tenant))? {
        let plan = shared.remove(&(tenant.clone(), live.name.clone()));
        if names(&live, secret)? || shares(control, &live, plan.as_ref(), secret)? {
            users.push(User { live, plan });
        }
    }
    Ok(users)
}

fn shares(
    control: &Control,
    live: &FunctionVersion,
    plan: Option<&Plan>,
    secret: &SecretName,
) -> Result<bool, ControlError> {
    let versions = plan.iter().flat_map(|plan| &plan.traffic).flat_map(|traffic| traffic.versions());
    for version in versions.filter(|version| *version != live.version) {
        let other = control.store.function_version_kept(&live.tenant, &live.name, version)?;
        if names(&other, secret)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn names(version: &FunctionVersion, secret: &SecretName) -> Result<bool, ControlError> {
    // Most functions name none: their manifests need not be read.
    if !version.manifest_json.contains("\"secret\"") {
        return Ok(false);
    }
    Ok(draft(version)?.manifest.secrets().any(|(_, named)| named == secret))
}
