//! What a push or a deploy would be refused for by its size or number, told before gigabytes are sent.

use std::collections::BTreeMap;

use modelet_spec::{Digest, ServerLimits};

use super::plan::{Plan, TenantPlan};
use crate::control::Control;
use crate::error::ControlError;

/// Refuses models and components that are too large.
pub(super) fn sizes(limits: &ServerLimits, plan: &Plan, lengths: &BTreeMap<Digest, u64>) -> Result<(), ControlError> {
    for tenant in &plan.tenants {
        for model in &tenant.models {
            let bytes = model.files.iter().fold(0u64, |sum, file| sum.saturating_add(file.bytes));
            if bytes > limits.model_bytes.0 {
                return Err(ControlError::TooLarge { what: "model", limit: limits.model_bytes.0, key: "model_bytes" });
            }
        }
        let length = |digest: &Digest| lengths.get(digest).copied().unwrap_or(u64::MAX);
        if tenant.functions.iter().any(|function| length(&function.component) > limits.component_bytes.0) {
            let limit = limits.component_bytes.0;
            return Err(ControlError::TooLarge { what: "component", limit, key: "component_bytes" });
        }
    }
    Ok(())
}

/// Refuses more functions, models and secrets than a tenant may have afterwards.
pub(super) fn counts(control: &Control, plan: &Plan) -> Result<(), ControlError> {
    for tenant in &plan.tenants {
        let used = if tenant.is_new { Default::default() } else { control.store.tenant_use(&tenant.name)? };
        let own = match &tenant.limits {
            Some(limits) => limits.clone(),
            None => control.tenants.load().limits(&tenant.name),
        };
        let TenantPlan { new_models, new_functions, new_secrets, .. } = tenant;
        let secrets = control.config.limits.secrets;
        let secrets = own.secrets.map_or(secrets, |own| own.min(secrets));
        for (what, max, used, new) in [
            ("models", own.models, used.models, *new_models),
            ("functions", own.functions, used.functions, *new_functions),
            ("secrets", Some(secrets), used.secrets, *new_secrets),
        ] {
            if let Some(max) = max.filter(|max| new > 0 && used.saturating_add(new) > *max) {
                return Err(ControlError::Count { what, max, used });
            }
        }
    }
    Ok(())
}
