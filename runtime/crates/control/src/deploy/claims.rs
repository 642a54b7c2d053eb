//! Whether a deploy may have its routes. The catalog asks again when they enter it; here, nothing is compiled in vain.

use modelet_catalog::{CatalogBuilder, CatalogError, Route};
use modelet_spec::manifest::{Manifest, RouteSpec};
use modelet_spec::{Auth, TenantName};

use crate::control::Control;

/// Refuses routes that are reserved, or that the operator did not give to the tenant.
pub(super) fn check(control: &Control, tenant: &TenantName, manifest: &Manifest) -> Result<(), CatalogError> {
    let rules = CatalogBuilder::<()>::new().claimed(control.tenants.load().claimed());
    manifest.route.iter().try_for_each(|route| rules.check(tenant, &plain(route)))
}

fn plain(route: &RouteSpec) -> Route {
    Route { host: route.host.clone(), path: route.path.clone(), methods: route.methods.clone(), auth: Auth::Key }
}
