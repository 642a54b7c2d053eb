//! What one owner's calls of a model have had of it: time, rows of each run, and how many wait now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::batch::size::{BatchSizes, SizesSeen};

/// One owner's calls on one device. Of a joined run it has the part of their rows.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    busy_ns: AtomicU64,
    waiting: AtomicUsize,
    sizes: BatchSizes,
}

/// Gives each owner its part of a run of `all` rows that took `took`: `parts` are the calls' owners and rows.
pub(crate) fn share_out<'a>(took: Duration, parts: impl Iterator<Item = (&'a Arc<Meter>, u32)>, all: u32) {
    let mut owners: Vec<(&Arc<Meter>, u32)> = Vec::new();
    for (meter, rows) in parts {
        match owners.iter_mut().find(|(known, _)| Arc::ptr_eq(known, meter)) {
            Some((_, sum)) => *sum = sum.saturating_add(rows),
            None => owners.push((meter, rows)),
        }
    }
    for (meter, rows) in owners {
        meter.add(took, (rows, all));
    }
}

impl Meter {
    /// A run of `all` rows took `took`, `rows` of them this owner's.
    pub(crate) fn add(&self, took: Duration, (rows, all): (u32, u32)) {
        let ns = took.as_nanos().saturating_mul(rows.into()) / u128::from(all.max(1));
        self.busy_ns.fetch_add(u64::try_from(ns).unwrap_or(u64::MAX), Relaxed);
        self.sizes.record(rows);
    }

    /// A call waits for a session.
    pub(crate) fn begin_wait(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// It waits no longer.
    pub(crate) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// Time that sessions were busy with its calls.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.load(Relaxed))
    }

    /// Calls that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Adds the rows of its calls in each run to `seen`.
    pub(crate) fn add_sizes_to(&self, seen: &mut SizesSeen) {
        self.sizes.add_to(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_has_the_part_of_its_rows_and_one_run_is_one() {
        let (acme, beta) = (Arc::new(Meter::default()), Arc::new(Meter::default()));
        share_out(Duration::from_millis(8), [(&acme, 2), (&beta, 1), (&acme, 1)].into_iter(), 4);
        share_out(Duration::from_millis(1), [(&acme, 1)].into_iter(), 1);
        assert_eq!((acme.busy(), beta.busy()), (Duration::from_millis(7), Duration::from_millis(2)));
        let sizes = |meter: &Meter| {
            let mut seen = SizesSeen::default();
            meter.add_sizes_to(&mut seen);
            (seen.runs(), seen.rows())
        };
        assert_eq!((sizes(&acme), sizes(&beta)), ((2, 4), (1, 1)));
    }
}
