//! Adds up the time that one owner's calls have kept sessions busy.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Time of runs; of a joined run each call has the part of its rows.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

impl Meter {
    /// A run of `all` rows took `took`, `rows` of them this owner's.
    pub(crate) fn add(&self, took: Duration, (rows, all): (u32, u32)) {
        let ns = took.as_nanos().saturating_mul(rows.into()) / u128::from(all.max(1));
        self.0.fetch_add(u64::try_from(ns).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn read(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_the_part_of_its_rows() {
        let meter = Meter::default();
        meter.add(Duration::from_millis(8), (3, 4));
        meter.add(Duration::from_millis(1), (1, 1));
        assert_eq!(meter.read(), Duration::from_millis(7));
    }
}
