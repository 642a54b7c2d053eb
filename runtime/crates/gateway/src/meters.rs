//! Makes the counters of functions, and knows which series nobody counts in any more.
//!
//! A function that is called has its counters at hand ([`Function::beside`](modelet_engine::Function::beside)); they go with it,
//! and the series of a version go with the last that counts in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub(crate) struct Living(Mutex<HashMap<(String, String), HashMap<String, usize>>>);

impl Meters {
    /// No function has been called.
    pub(crate) fn new(families: Families) -> Self {
        Self { families, living: Arc::default() }
    }

    /// Counters under these names; two with the same names count in the same series.
    pub(crate) fn make(&self, labels: FunctionLabels) -> Arc<Meter> {
        // Under the lock: the series that are made here must not be those that another's end removes.
        let mut functions = self.living.lock();
        *functions.entry(name(&labels)).or_default().entry(labels.version.clone()).or_default() += 1;
        let meter = Meter::new(labels, self.families.clone(), Some(Arc::clone(&self.living)));
        drop(functions);
        Arc::new(meter)
    }
}

impl Living {
    /// One that counted is gone. `remove` is called when nobody else counts for the version, with whether nobody does for the
    /// function.
    pub(crate) fn leave(&self, labels: &FunctionLabels, remove: impl FnOnce(bool)) {
        let mut functions = self.lock();
        let Some(versions) = functions.get_mut(&name(labels)) else { return };
        let Some(count) = versions.get_mut(&labels.version) else { return };
        *count = count.saturating_sub(1);
        if *count > 0 {
            return;
        }
        versions.remove(&labels.version);
        let is_last = versions.is_empty();
        if is_last {
            functions.remove(&name(labels));
        }
        remove(is_last);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), HashMap<String, usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(labels: &FunctionLabels) -> (String, String) {
    (labels.tenant.clone(), labels.function.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tenant: &str, version: &str) -> FunctionLabels {
        FunctionLabels { tenant: tenant.into(), function: "f".into(), version: version.into() }
    }

    #[test]
    fn series_go_with_the_last_that_counts_in_them() {
        let families = Families::default();
        let meters = Meters::new(families.clone());
        let is_there = |tenant: &str, version: &str| families.seconds.get(&labels(tenant, version)).is_some();
        let (one, again, two) =
            (meters.make(labels("t", "1")), meters.make(labels("t", "1")), meters.make(labels("t", "2")));
        let other = meters.make(labels("another", "1"));
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
        let (one, two, other) =
            (meters.make(labels("t", "1")), meters.make(labels("t", "2")), meters.make(labels("another", "1")));
        one.trap("unreachable");
        let traps =
            || families.traps.get(&crate::metrics::TrapLabels { function: "f".into(), kind: "unreachable" }).is_some();
        drop(two);
        assert!(traps());
        drop(one);
        assert!(!traps(), "another tenant's function of that name has none of it");
        drop(other);
    }
}
