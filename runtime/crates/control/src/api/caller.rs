//! Who asks, and for which tenant.

use axum::extract::FromRequestParts;
use http::request::Parts;
use modelet_catalog::{KeyRecord, Scope};
use modelet_spec::TenantName;

use super::Api;
use crate::control::blocking;
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
    pub(super) async fn tenant(self, api: &Api, named: Option<TenantName>) -> Result<TenantName, ControlError> {
        match named {
            Some(named) if named != self.tenant => {
                if !self.is_operator {
                    return Err(ControlError::NoTenant(named));
                }
                let store = api.control.store.clone();
                blocking(move || match store.has_tenant(&named)? {
                    true => Ok(named),
                    false => Err(ControlError::NoTenant(named)),
                })
                .await
            }
            _ => Ok(self.tenant),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ControlError> {
        // Put there by the guard, which every path with tenants is behind.
        parts.extensions.get().cloned().ok_or(ControlError::Unauthorised)
    }
}
