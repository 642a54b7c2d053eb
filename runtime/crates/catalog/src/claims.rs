//! Who may answer where: what the operator gave to tenants, and what follows for routes.
//!
//! Looked at twice: when a route enters a catalog, and when a request has found one. The second look keeps a pattern that
//! begins with a parameter, or a route for any host, out of what belongs to another tenant.

use crate::catalog::Route;
use crate::error::CatalogError;
use crate::host::normalise_host;
use modelet_spec::{Claims, HostName, PathPrefix, TenantName};
use std::collections::{BTreeMap, HashMap};

/// What belongs to whom. No two tenants have something in common; that is for who gives it to see to.
#[derive(Debug, Default)]
pub struct Claimed {
    by_tenant: HashMap<TenantName, Claims>,
    hosts: HashMap<HostName, TenantName>,
    paths: BTreeMap<PathPrefix, TenantName>,
    /// Segments of the longest path prefix: further ones of a request's path, which may be thousands, need no look.
    depth: usize,
}

impl Claimed {
    /// What these tenants may claim.
    pub fn of(tenants: impl IntoIterator<Item = (TenantName, Claims)>) -> Self {
        let mut claimed = Self::default();
        for (tenant, claims) in tenants {
            let hosts = claims.hosts.iter().map(|host| (host.clone(), tenant.clone()));
            claimed.hosts.extend(hosts);
            let deepest = claims.paths.iter().map(|path| path.as_str().matches('/').count()).max();
            claimed.depth = claimed.depth.max(deepest.unwrap_or(0));
            let paths = claims.paths.iter().map(|path| (path.clone(), tenant.clone()));
            claimed.paths.extend(paths);
            claimed.by_tenant.insert(tenant, claims);
        }
        claimed
    }

    /// Whether a tenant may have a route.
    ///
    /// # Errors
    /// The rule that is against it.
    pub(crate) fn check(&self, tenant: &TenantName, route: &Route) -> Result<(), CatalogError> {
        if *tenant == TenantName::default_tenant() {
            return self.check_free(route);
        }
        let claims = self.by_tenant.get(tenant);
        let may = || claims.cloned().unwrap_or_default().to_string();
        match &route.host {
            Some(host) if claims.is_some_and(|claims| claims.has_host(host)) => Ok(()),
            Some(host) => Err(CatalogError::HostNotGiven { host: host.clone(), may: may() }),
            None if claims.is_some_and(|claims| claims.covers(&route.path)) => Ok(()),
            None => Err(CatalogError::PathNotGiven { path: route.path.to_string(), may: may() }),
        }
    }

    /// The default tenant may have what no other was given.
    fn check_free(&self, route: &Route) -> Result<(), CatalogError> {
        let is_given = match &route.host {
            Some(host) => self.hosts.contains_key(host.as_str()),
            None => self.paths.keys().any(|prefix| prefix.covers(&route.path)),
        };
        if is_given { Err(CatalogError::Given { route: route.to_string() }) } else { Ok(()) }
    }

    /// Who alone may answer a request that found a route for its host, or one for any; `None`: whoever has the route.
    pub(crate) fn owner(&self, host: Option<&str>, path: &str, is_any_host: bool) -> Option<&TenantName> {
        if let Some(host) = host.filter(|_| !self.hosts.is_empty())
            && let Some(owner) = self.hosts.get(normalise_host(host).as_ref())
        {
            return Some(owner);
        }
        if !is_any_host || self.paths.is_empty() {
            return None;
        }
        // No prefix is one of another, so at most one is one of the path.
        let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
        ends.take(self.depth).filter_map(|end| path.get(..end)).find_map(|prefix| self.paths.get(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(hosts: &[&str], paths: &[&str]) -> Claims {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Claims { hosts, paths: paths.iter().map(|path| path.parse().unwrap()).collect() }
    }

    #[test]
    fn a_path_belongs_to_who_has_a_prefix_of_it_in_whole_segments() {
        let acme: TenantName = "acme".parse().unwrap();
        let claimed = Claimed::of([(acme.clone(), claims(&["acme.example"], &["/acme", "/a/b"]))]);
        let owner = |host: Option<&str>, path: &str, any: bool| claimed.owner(host, path, any) == Some(&acme);
        for path in ["/acme", "/acme/", "/acme/x/y", "/a/b", "/a/b/c"] {
            assert!(owner(None, path, true), "{path}");
            assert!(!owner(None, path, false), "a route for a host of nobody's");
        }
        for path in ["/", "/acmes", "/a", "/a/", "/a/bc", "/x/acme", ""] {
            assert!(!owner(None, path, true), "{path}");
            assert!(owner(Some("ACME.example:80"), path, true) && owner(Some("acme.example."), path, false), "{path}");
        }
        assert!(!owner(Some("other.example"), "/x", true));
    }
}
