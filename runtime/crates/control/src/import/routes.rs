//! Whether what would serve afterwards could serve side by side: asked of a catalog in which nothing runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelet_catalog::{CatalogBuilder, Claimed, Entry};
use modelet_spec::manifest::Manifest;
use modelet_spec::{Digest, EffectiveLimits, FunctionName, TenantLimits, TenantName};

use super::plan::{Plan, TenantPlan, after};
use crate::control::Control;
use crate::deploy::routes;
use crate::error::ControlError;

/// Functions, by tenant and name.
type Owned = BTreeSet<(TenantName, FunctionName)>;

/// Refuses routes that are taken, reserved or not given to their tenant, and claims of what others serve. Blocks.
pub(super) fn check(control: &Control, plan: &Plan) -> Result<(), ControlError> {
    let mut builder = CatalogBuilder::<()>::new().claimed(Arc::new(Claimed::of(after(control, plan))));
    let served = |tenant: &TenantPlan| {
        tenant.serving.iter().map(|serving| (tenant.name.clone(), serving.name.clone())).collect::<Vec<_>>()
    };
    let mut seen: Owned = plan.tenants.iter().flat_map(served).collect();
    for entry in control.catalog.load().functions() {
        let (tenant, function) = (entry.tenant.clone(), entry.function.clone());
        if !seen.insert((tenant.clone(), function.clone())) {
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
                digest: Digest::of(b""),
                limits,
                routes: routes(control, &tenant.name, &serving.manifest),
                handle: (),
                arms: None,
            })?;
        }
    }
    let gives = |tenant: &TenantPlan| tenant.claims.is_some();
    if plan.tenants.iter().any(gives) { unloaded(control, &builder, &seen) } else { Ok(()) }
}

/// Refuses to take from functions that could not be loaded where they answered: one that is mended comes back to there.
fn unloaded(control: &Control, after: &CatalogBuilder<()>, seen: &Owned) -> Result<(), ControlError> {
    let before = control.catalog_builder()?;
    for version in control.store.functions(None)? {
        let (tenant, name) = (version.tenant, version.name);
        // One whose manifest cannot be read has to be deployed again, and is checked then.
        let Ok(manifest) = serde_json::from_str::<Manifest>(&version.manifest_json) else { continue };
        if seen.contains(&(tenant.clone(), name)) {
            continue;
        }
        for route in routes(control, &tenant, &manifest) {
            if before.check(&tenant, &route).is_ok() {
                after.check(&tenant, &route)?;
            }
        }
    }
    Ok(())
}
