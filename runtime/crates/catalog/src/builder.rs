//! How a catalog comes to be: function by function, each taken whole or not at all.

use crate::catalog::{Catalog, Entry, Route};
use crate::claims::Claimed;
use crate::error::CatalogError;
use crate::host::normalise_host;
use crate::key::KeyRing;
use crate::matcher::Target;
use modelet_spec::{FunctionName, TenantName};
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
pub struct CatalogBuilder<F>(Catalog<F>);

impl<F> CatalogBuilder<F> {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Catalog::empty())
    }

    /// All that a catalog has, shared with it. What is changed then costs what that costs, and not what all of it would.
    #[must_use]
    pub fn of(catalog: &Catalog<F>) -> Self {
        let Catalog { entries, routes, keys, claimed } = catalog;
        Self(Catalog {
            entries: entries.clone(),
            routes: routes.clone(),
            keys: Arc::clone(keys),
            claimed: Arc::clone(claimed),
        })
    }

    /// The same, with what tenants may claim. It holds for requests, and for functions that are added from now on; whether those that are
    /// there keep to it is for the caller to see to.
    #[must_use]
    pub fn claimed(self, claimed: Arc<Claimed>) -> Self {
        Self(Catalog { claimed, ..self.0 })
    }

    /// Adds a function with all its routes, in the place of the one with its name. An entry of another catalog is shared with it, not
    /// copied.
    ///
    /// # Errors
    /// A route is reserved, taken, not given to the tenant, or has a host that no request can have. Then nothing has changed.
    pub fn add(&mut self, entry: impl Into<Arc<Entry<F>>>) -> Result<(), CatalogError> {
        let entry = entry.into();
        entry.routes.iter().try_for_each(|route| self.check(&entry.tenant, route))?;
        let before = self.0.function(&entry.tenant, &entry.function).cloned();
        before.iter().for_each(|before| self.take_out(before));
        if let Err(error) = self.put_in(&entry) {
            self.take_out(&entry);
            // Where it was, nobody else can have come.
            return before.map_or(Ok(()), |before| self.put_in(&before)).and(Err(error));
        }
        if let Some(own) = self.0.entries.entry(&entry.tenant, || entry.tenant.clone()) {
            own.insert(entry.function.clone(), entry);
        }
        Ok(())
    }

    /// Takes a function out with all its routes; nothing happens where there is none.
    pub fn remove(&mut self, tenant: &TenantName, name: &FunctionName) {
        let Some(entry) = self.0.function(tenant, name).cloned() else { return };
        self.take_out(&entry);
        if let Some(own) = self.0.entries.entry(tenant, || tenant.clone()) {
            own.remove(name);
            if own.is_empty() {
                self.0.entries.remove(tenant);
            }
        }
    }

    /// Takes out the functions that are not to stay.
    pub fn retain(&mut self, stays: impl Fn(&Entry<F>) -> bool) {
        let gone: Vec<Arc<Entry<F>>> = self.0.functions().filter(|entry| !stays(entry)).cloned().collect();
        for entry in gone {
            self.remove(&entry.tenant, &entry.function);
        }
    }

    /// Whether a tenant may have a route, whoever has it now.
    ///
    /// # Errors
    /// It is reserved, not given to the tenant, or has a host that no request can have.
    pub fn check(&self, tenant: &TenantName, route: &Route) -> Result<(), CatalogError> {
        check(route)?;
        self.0.claimed.check(tenant, route)
    }

    /// The same, opened by these keys.
    #[must_use]
    pub fn keys(self, keys: Arc<KeyRing>) -> Self {
        Self(Catalog { keys, ..self.0 })
    }

    /// The catalog.
    #[must_use]
    pub fn build(self) -> Catalog<F> {
        self.0
    }

    fn put_in(&mut self, entry: &Arc<Entry<F>>) -> Result<(), CatalogError> {
        for (number, route) in entry.routes.iter().enumerate() {
            let target = Target { entry: Arc::clone(entry), route: number };
            let placed = self.0.routes.place(route).map_or(Ok(()), |methods| methods.insert(&route.methods, target));
            placed.map_err(|holder| conflict(entry, route, &holder))?;
        }
        Ok(())
    }

    fn take_out(&mut self, entry: &Arc<Entry<F>>) {
        entry.routes.iter().for_each(|route| self.0.routes.take_out(route, entry));
    }
}

/// Another tenant's function has no name here.
fn conflict<F>(entry: &Arc<Entry<F>>, route: &Route, holder: &Target<F>) -> CatalogError {
    let holder = match &holder.entry {
        own if Arc::ptr_eq(own, entry) => "another route of the same function".to_owned(),
        other if other.tenant == entry.tenant => format!("the function {}", other.function),
        _ => "another function".to_owned(),
    };
    CatalogError::Conflict { route: route.to_string(), holder }
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
