//! All tenants at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use modelet_catalog::Claimed;
use modelet_spec::{TenantLimits, TenantName};
use modelet_store::{Store, Tenant};

use crate::error::ControlError;

/// All tenants, as the store had them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    tenants: BTreeMap<TenantName, Tenant>,
    claimed: Arc<Claimed>,
}

impl Book {
    /// Reads them. Blocks.
    pub(crate) fn read(store: &Store) -> Result<Self, ControlError> {
        let tenants = store.tenants()?;
        let claimed = Claimed::of(tenants.iter().map(|tenant| (tenant.name.clone(), tenant.claims.clone())));
        let named = |tenant: Tenant| (tenant.name.clone(), tenant);
        Ok(Self { tenants: tenants.into_iter().map(named).collect(), claimed: claimed.into() })
    }

    /// A tenant.
    pub(crate) fn get(&self, name: &TenantName) -> Option<&Tenant> {
        self.tenants.get(name)
    }

    /// All, by name.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// What a tenant may have; nothing is said of one that is not there.
    pub(crate) fn limits(&self, name: &TenantName) -> TenantLimits {
        self.get(name).map(|tenant| tenant.limits.clone()).unwrap_or_default()
    }

    /// The same with other limits of a tenant.
    pub(crate) fn limited(&self, name: &TenantName, limits: TenantLimits) -> Self {
        let mut tenants = self.tenants.clone();
        if let Some(tenant) = tenants.get_mut(name) {
            tenant.limits = limits;
        }
        Self { tenants, claimed: Arc::clone(&self.claimed) }
    }

    /// What belongs to whom.
    pub(crate) fn claimed(&self) -> Arc<Claimed> {
        Arc::clone(&self.claimed)
    }
}
