//! Who asks, and for which tenant.
//!
//! Another tenant's things are as those that do not exist: the same answer, and the store is asked the same. So nothing here asks
//! it: what there is of tenants is in memory.

use axum::extract::FromRequestParts;
use http::request::Parts;
use modelet_catalog::{KeyRecord, Scope};
use modelet_spec::TenantName;

use super::Api;
use crate::error::ControlError;

/// Whose key came with a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    tenant: TenantName,
    /// May speak for every tenant.
    is_operator: bool,
}

impl Caller {
    pub(super) fn of(key: &KeyRecord) -> Self {
        let is_operator = key.scopes.contains(&Scope::Admin) && key.tenant == TenantName::default_tenant();
        Self { tenant: key.tenant.clone(), is_operator }
    }

    /// The tenant that is meant: the named one, or the caller's own. Another tenant does not exist for who may not speak
    /// for it.
    pub(super) async fn tenant(&self, api: &Api, named: Option<TenantName>) -> Result<TenantName, ControlError> {
        let tenant = named.unwrap_or_else(|| self.tenant.clone());
        let is_there = self.speaks_for(&tenant) && api.control.tenants.load().get(&tenant).is_some();
        if is_there { Ok(tenant) } else { Err(ControlError::NoTenant(tenant)) }
    }

    /// Whether a tenant exists for the caller.
    pub(super) fn speaks_for(&self, tenant: &TenantName) -> bool {
        self.is_operator || self.tenant == *tenant
    }

    /// Refuses everybody but the operator.
    pub(super) fn operator(&self) -> Result<(), ControlError> {
        if self.is_operator { Ok(()) } else { Err(ControlError::NotTheOperator) }
    }

    /// The tenant that is meant, for the operator alone; of others only their own exists.
    pub(super) async fn operated(&self, api: &Api, named: TenantName) -> Result<TenantName, ControlError> {
        let tenant = self.tenant(api, Some(named)).await?;
        self.operator().map(|()| tenant)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ControlError> {
        // Put there by the guard, which every path with tenants is behind.
        parts.extensions.get().cloned().ok_or(ControlError::Unauthorised)
    }
}
