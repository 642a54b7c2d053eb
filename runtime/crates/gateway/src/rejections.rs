//! Requests that no guest saw, by tenant and reason.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    tenant: String,
    reason: &'static str,
}

/// Counts of refusals. A clone is the same counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejections {
    family: Family<Labels, Counter>,
    /// The reasons that each tenant has had, so that its series can go: a family cannot be asked.
    reasons: Arc<Mutex<HashMap<String, Vec<&'static str>>>>,
}

impl Rejections {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("modelet_rejected", "Requests that no guest saw", self.family.clone());
    }

    /// Counts one.
    pub(crate) fn count(&self, tenant: &str, reason: &'static str) {
        let labels = Labels { tenant: tenant.to_owned(), reason };
        let known = self.family.get(&labels).map(|counter| counter.inc());
        if known.is_none() {
            let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            let had = reasons.entry(tenant.to_owned()).or_default();
            if !had.contains(&reason) {
                had.push(reason);
            }
            self.family.get_or_create(&labels).inc();
        }
    }

    /// Nothing of a tenant is left.
    pub(crate) fn remove_series(&self, tenant: &str) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        for reason in reasons.remove(tenant).unwrap_or_default() {
            self.family.remove(&Labels { tenant: tenant.to_owned(), reason });
        }
    }

    /// How many there were; `None`: there is no such series.
    #[cfg(test)]
    pub(crate) fn get(&self, tenant: &str, reason: &'static str) -> Option<u64> {
        self.family.get(&Labels { tenant: tenant.to_owned(), reason }).map(|counter| counter.get())
    }
}
