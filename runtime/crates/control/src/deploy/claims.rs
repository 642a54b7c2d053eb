//! Whether a deploy may have its routes. The catalog asks again when they enter it; here, nothing is compiled in vain.

use modelet_catalog::{CatalogBuilder, CatalogError};
use modelet_spec::TenantName;
use modelet_spec::manifest::Manifest;

use super::routes;
use crate::control::Control;

/// Refuses routes that are reserved, or that the operator did not give to the tenant.
pub(super) fn check(control: &Control, tenant: &TenantName, manifest: &Manifest) -> Result<(), CatalogError> {
    let rules = CatalogBuilder::<()>::new().claimed(control.tenants.load().claimed());
    routes(control, tenant, manifest).iter().try_for_each(|route| rules.check(tenant, route))
}
