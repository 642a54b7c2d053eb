//! How a catalog comes to be: function by function, each taken whole or not at all.

use crate::catalog::{Catalog, Entry, Route, Routes};
use crate::claims::Claimed;
use crate::error::CatalogError;
use crate::host::normalise_host;
use crate::key::KeyRing;
use crate::matcher::Target;
use modelet_spec::TenantName;
use std::sync::Arc;

/// Paths that belong to the model protocols, themselves and below.
const RESERVED: [&str; 3] = ["/v1/models", "/v2", "/openai"];

/// Whether `path` belongs to the model protocols.
#[must_use]
pub fn is_reserved(path: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    RESERVED.iter().any(|reserved| path.strip_prefix(reserved).is_some_and(below))
}

/// Collects what a [`Catalog`] holds.
#[derive(Debug)]
pub struct CatalogBuilder<F> {
    entries: Vec<Arc<Entry<F>>>,
    routes: Routes,
    keys: Arc<KeyRing>,
    claimed: Arc<Claimed>,
}

impl<F> CatalogBuilder<F> {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Vec::new(), routes: Routes::default(), keys: Arc::default(), claimed: Arc::default() }
    }

    /// The same, with what tenants may claim.
    #[must_use]
    pub fn claimed(self, claimed: Arc<Claimed>) -> Self {
        Self { claimed, ..self }
    }

    /// Adds a function with all its routes. An entry of another catalog is shared with it, not copied.
    ///
    /// # Errors
    /// A route is reserved, taken, not given to the tenant, or has a host that no request can have. Then nothing of the
    /// function was added.
    pub fn add(&mut self, entry: impl Into<Arc<Entry<F>>>) -> Result<(), CatalogError> {
        let entry = entry.into();
        entry.routes.iter().try_for_each(|route| self.check(&entry.tenant, route))?;
        let index = self.entries.len();
        for (number, route) in entry.routes.iter().enumerate() {
            let target = Target { entry: index, route: number };
            let methods = self.routes.tree(route.host.as_deref()).place(&route.path);
            if let Err(holder) = methods.insert(&route.methods, target) {
                self.take_out(&entry, index);
                return Err(self.conflict(&entry, route, holder));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Whether a tenant may have a route, whoever has it now.
    ///
    /// # Errors
    /// It is reserved, not given to the tenant, or has a host that no request can have.
    pub fn check(&self, tenant: &TenantName, route: &Route) -> Result<(), CatalogError> {
        check(route)?;
        self.claimed.check(tenant, route)
    }

    /// The same, opened by these keys.
    #[must_use]
    pub fn keys(self, keys: Arc<KeyRing>) -> Self {
        Self { keys, ..self }
    }

    /// The catalog.
    #[must_use]
    pub fn build(self) -> Catalog<F> {
        Catalog::new(self.entries, self.routes, self.keys, self.claimed)
    }

    fn take_out(&mut self, entry: &Entry<F>, index: usize) {
        for route in &entry.routes {
            self.routes.tree(route.host.as_deref()).place(&route.path).remove(index);
        }
    }

    /// Another tenant's function has no name here.
    fn conflict(&self, entry: &Entry<F>, route: &Route, holder: Target) -> CatalogError {
        let holder = match self.entries.get(holder.entry) {
            Some(other) if other.tenant == entry.tenant => format!("the function {}", other.function),
            Some(_) => "another function".to_owned(),
            None => "another route of the same function".to_owned(),
        };
        CatalogError::Conflict { route: route.to_string(), holder }
    }
}

impl<F> Default for CatalogBuilder<F> {
    fn default() -> Self {
        Self::new()
    }
}

fn check(route: &Route) -> Result<(), CatalogError> {
    let path = route.path.to_string();
    if is_reserved(&path) {
        return Err(CatalogError::Reserved { path });
    }
    match &route.host {
        Some(host) if host.is_empty() || normalise_host(host) != host.as_str() => {
            Err(CatalogError::BadHost { host: host.clone() })
        }
        _ => Ok(()),
    }
}
