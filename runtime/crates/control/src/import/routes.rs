//! Whether what would serve afterwards could serve side by side: asked of a catalog in which nothing runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelet_catalog::{CatalogBuilder, Claimed, Entry};
use modelet_spec::{EffectiveLimits, FunctionName, TenantLimits, TenantName};

use super::plan::{Plan, after};
use crate::control::Control;
use crate::deploy::routes;
use crate::error::ControlError;

/// Refuses routes that are taken, reserved or not given to their tenant, and claims of what others serve.
pub(super) fn check(control: &Control, plan: &Plan) -> Result<(), ControlError> {
    let mut builder = CatalogBuilder::<()>::new().claimed(Arc::new(Claimed::of(after(control, plan))));
    let served = |tenant: &super::plan::TenantPlan| {
        tenant.serving.iter().map(|serving| (tenant.name.clone(), serving.name.clone())).collect::<Vec<_>>()
    };
    let otherwise: BTreeSet<(TenantName, FunctionName)> = plan.tenants.iter().flat_map(served).collect();
    for entry in control.catalog.load().functions() {
        let (tenant, function) = (entry.tenant.clone(), entry.function.clone());
        if otherwise.contains(&(tenant.clone(), function.clone())) {
            continue;
        }
        let (version, digest, routes) = (entry.version, entry.digest, entry.routes.clone());
        let limits = entry.limits.clone();
        builder.add(Entry { tenant, function, version, digest, limits, routes, handle: (), arms: None })?;
    }
    for tenant in &plan.tenants {
        for serving in &tenant.serving {
            let limits =
                EffectiveLimits::of(&control.config.limits, &TenantLimits::default(), &serving.manifest.limits);
            builder.add(Entry {
                tenant: tenant.name.clone(),
                function: serving.name.clone(),
                version: serving.live,
                digest: modelet_spec::Digest::of(b""),
                limits,
                routes: routes(control, &tenant.name, &serving.manifest),
                handle: (),
                arms: None,
            })?;
        }
    }
    Ok(())
}
