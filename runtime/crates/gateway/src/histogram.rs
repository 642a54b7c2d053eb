//! A histogram of durations without a lock: every request of every function observes the same few.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Upper bounds in microseconds, from a function that answers at once to the longest sensible time limit.
const BOUNDS_US: [u64; 19] = [
    5, 20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 15_000_000, 60_000_000,
];

/// A histogram of seconds. A clone is the same histogram.
///
/// A scrape during an observation may see its count before its sum; the next one sees both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seconds(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    /// One per bound, and the rest.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Seconds {
    /// Counts one duration.
    pub(crate) fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.0.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What a scrape reads: the sum in seconds, the count, and the count in each bucket alone.
    fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = BOUNDS_US.iter().map(|us| Duration::from_micros(*us).as_secs_f64()).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        (sum, count, buckets)
    }
}

impl TypedMetric for Seconds {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Seconds {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (sum, count, buckets) = self.read();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let seconds = Seconds::default();
        for us in [0, 5, 6, 60_000_000, 60_000_001] {
            seconds.observe(Duration::from_micros(us));
        }
        let (sum, count, buckets) = seconds.read();
        assert_eq!(count, 5);
        assert!((sum - 120.000_012).abs() < 1e-9, "{sum}");
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(5e-6, 2), (20e-6, 1), (60.0, 1), (f64::INFINITY, 1)]);
    }

    #[test]
    fn a_duration_without_end_does_not_overflow() {
        let seconds = Seconds::default();
        seconds.observe(Duration::MAX);
        assert_eq!(seconds.read().1, 1);
    }
}
