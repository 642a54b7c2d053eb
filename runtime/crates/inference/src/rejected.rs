//! Calls that were turned away, by flow.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Flows with a count of their own; the calls of further ones are counted together.
const FLOWS_MAX: usize = 1024;

/// Counts of one model. The lock is taken by calls that are turned away, not by those that run.
#[derive(Debug, Default)]
pub(crate) struct Rejected {
    flows: Mutex<BTreeMap<Option<u64>, u64>>,
}

impl Rejected {
    /// A call of `flow` was turned away.
    pub(crate) fn record(&self, flow: u64) {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let has_own = flows.len() < FLOWS_MAX || flows.contains_key(&Some(flow));
        *flows.entry(has_own.then_some(flow)).or_default() += 1;
    }

    /// The counts so far; `None` is all flows without a count of their own.
    pub(crate) fn counts(&self) -> BTreeMap<Option<u64>, u64> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_beyond_the_limit_are_counted_together() {
        let rejected = Rejected::default();
        (0..FLOWS_MAX as u64 + 2).for_each(|flow| rejected.record(flow));
        rejected.record(0);
        let counts = rejected.counts();
        assert_eq!((counts[&Some(0)], counts[&None], counts.len()), (2, 2, FLOWS_MAX + 1));
    }
}
