//! What models have done since the start of the runtime, those that are gone too: the sums never fall.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use modelet_spec::Device;

use crate::rejected::Rejected;

/// One model's counters, from its load on.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) runs_inline: AtomicU64,
    pub(crate) runs_on_workers: AtomicU64,
    pub(crate) busy_ns: AtomicU64,
    pub(crate) inputs_copied: AtomicU64,
    pub(crate) outputs_copied: AtomicU64,
    pub(crate) rejected: Rejected,
}

/// The sums of all models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) runs_inline: u64,
    pub(crate) runs_on_workers: u64,
    pub(crate) inputs_copied: u64,
    pub(crate) outputs_copied: u64,
    pub(crate) busy_ns: BTreeMap<Device, u64>,
    /// By flow; `None` is all flows without a count of their own.
    pub(crate) rejected: BTreeMap<Option<u64>, u64>,
}

/// The counters of all models.
#[derive(Debug, Default)]
pub(crate) struct AllCounters(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    gone: Sums,
    live: Vec<(Device, Arc<Counters>)>,
}

impl AllCounters {
    /// Counters for one model more, which runs on `device`.
    pub(crate) fn open(&self, device: Device) -> Arc<Counters> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bury();
        let counters = Arc::new(Counters::default());
        kept.live.push((device, Arc::clone(&counters)));
        counters
    }

    pub(crate) fn read(&self) -> Sums {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bury();
        let mut sums = kept.gone.clone();
        kept.live.iter().for_each(|(device, counters)| sums.add(*device, counters));
        sums
    }
}

impl Kept {
    /// Adds up those whose models are gone: nobody counts in them any more.
    fn bury(&mut self) {
        let gone = &mut self.gone;
        self.live.retain(|(device, counters)| {
            let is_live = Arc::strong_count(counters) > 1;
            if !is_live {
                gone.add(*device, counters);
            }
            is_live
        });
        // Flows come and go with functions: those of models that went have no count of their own any more.
        let rejected = std::mem::take(&mut gone.rejected).into_values().sum();
        if rejected > 0 {
            gone.rejected.insert(None, rejected);
        }
    }
}

impl Sums {
    fn add(&mut self, device: Device, counters: &Counters) {
        self.runs_inline += counters.runs_inline.load(Relaxed);
        self.runs_on_workers += counters.runs_on_workers.load(Relaxed);
        self.inputs_copied += counters.inputs_copied.load(Relaxed);
        self.outputs_copied += counters.outputs_copied.load(Relaxed);
        *self.busy_ns.entry(device).or_default() += counters.busy_ns.load(Relaxed);
        for (flow, count) in counters.rejected.counts() {
            *self.rejected.entry(flow).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_goes_leaves_what_it_has_done() {
        let all = AllCounters::default();
        let (one, two) = (all.open(Device::Cpu), all.open(Device::Cuda(0)));
        one.runs_inline.fetch_add(3, Relaxed);
        one.busy_ns.fetch_add(5, Relaxed);
        two.runs_inline.fetch_add(4, Relaxed);
        one.rejected.record(7);
        two.rejected.record(8);
        let sums = all.read();
        assert_eq!((sums.runs_inline, sums.busy_ns[&Device::Cpu], sums.rejected[&Some(7)]), (7, 5, 1));
        drop(one);
        let sums = all.read();
        assert_eq!((sums.runs_inline, sums.busy_ns[&Device::Cpu]), (7, 5));
        assert_eq!(sums.rejected, BTreeMap::from([(None, 1), (Some(8), 1)]));
        assert_eq!(all.read(), sums, "buried once");
        two.runs_inline.fetch_add(1, Relaxed);
        assert_eq!(all.read().runs_inline, 8);
    }
}
