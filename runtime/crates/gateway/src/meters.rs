//! Makes the counters of functions, and knows which series nobody counts in any more.
//!
//! A function that is called has its counters at hand ([`Function::beside`](modelet_engine::Function::beside)); they go with it,
//! and the series of a version go with the last that counts in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelet_catalog::{FunctionUse, Gate};

use crate::meter::Meter;
use crate::metrics::{Families, FunctionLabels};

/// Makes the counters of all functions that are called.
#[derive(Debug)]
pub(crate) struct Meters {
    families: Families,
    living: Arc<Living>,
}

/// How many count in the series of each version. Looked at when a function is first called, and when it goes.
#[derive(Debug, Default)]
pub(crate) struct Living(Mutex<HashMap<String, Functions>>);

/// The functions of a tenant, and how many count for each of their versions.
type Functions = HashMap<String, HashMap<String, usize>>;

/// How much has gone with the last who counted for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gone {
    /// That version.
    Version,
    /// The last version of its function.
    Function,
    /// The last function of its tenant.
    Tenant,
}

impl Meters {
    /// No function has been called.
    pub(crate) fn new(families: Families) -> Self {
        Self { families, living: Arc::default() }
    }

    /// Counters under these names; two with the same names count in the same series.
    pub(crate) fn make(&self, labels: FunctionLabels, used: (Arc<FunctionUse>, Arc<Gate>)) -> Arc<Meter> {
        // Under the lock: the series that are made here must not be those that another's end removes.
        let mut tenants = self.living.lock();
        let versions = tenants.entry(labels.tenant.clone()).or_default().entry(labels.function.clone()).or_default();
        *versions.entry(labels.version.clone()).or_default() += 1;
        let meter = Meter::new(labels, self.families.clone(), used, Some(Arc::clone(&self.living)));
        drop(tenants);
        Arc::new(meter)
    }
}

impl Living {
    /// One that counted is gone. `remove` is called when nobody else counts for the version, with what has gone with it.
    pub(crate) fn leave(&self, labels: &FunctionLabels, remove: impl FnOnce(Gone)) {
        let mut tenants = self.lock();
        let Some(functions) = tenants.get_mut(&labels.tenant) else { return };
        let Some(versions) = functions.get_mut(&labels.function) else { return };
        let Some(count) = versions.get_mut(&labels.version) else { return };
        *count = count.saturating_sub(1);
        if *count > 0 {
            return;
        }
        versions.remove(&labels.version);
        if !versions.is_empty() {
            return remove(Gone::Version);
        }
        functions.remove(&labels.function);
        if !functions.is_empty() {
            return remove(Gone::Function);
        }
        tenants.remove(&labels.tenant);
        remove(Gone::Tenant);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Functions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tenant: &str, version: &str) -> FunctionLabels {
        FunctionLabels { tenant: tenant.into(), function: "f".into(), version: version.into() }
    }

    fn make(meters: &Meters, tenant: &str, version: &str) -> Arc<Meter> {
        meters.make(labels(tenant, version), Default::default())
    }

    #[test]
    fn series_go_with_the_last_that_counts_in_them() {
        let families = Families::default();
        let meters = Meters::new(families.clone());
        let is_there = |tenant: &str, version: &str| families.seconds.get(&labels(tenant, version)).is_some();
        let (one, again, two) = (make(&meters, "t", "1"), make(&meters, "t", "1"), make(&meters, "t", "2"));
        let other = make(&meters, "another", "1");
        drop(one);
        assert!(is_there("t", "1"), "somebody else counts in them");
        drop(again);
        assert!(!is_there("t", "1") && is_there("t", "2"));
        drop(two);
        assert!(!is_there("t", "2") && is_there("another", "1"));
        drop(other);
        assert!(meters.living.lock().is_empty());
    }

    #[test]
    fn what_all_versions_of_a_function_share_goes_with_the_last_of_them() {
        let families = Families::default();
        let meters = Meters::new(families.clone());
        let (one, two, other) = (make(&meters, "t", "1"), make(&meters, "t", "2"), make(&meters, "another", "1"));
        one.trap("unreachable");
        one.rejected("tenant-busy");
        let traps =
            || families.traps.get(&crate::metrics::TrapLabels { function: "f".into(), kind: "unreachable" }).is_some();
        drop(two);
        assert!(traps());
        drop(one);
        assert!(!traps(), "another tenant's function of that name has none of it");
        other.rejected("tenant-busy");
        let rejected = |tenant: &str| families.rejected.get(tenant, "tenant-busy");
        assert_eq!((rejected("t"), rejected("another")), (None, Some(1)));
        drop(other);
        assert_eq!(rejected("another"), None, "nothing of that tenant is left");
    }
}
