//! How large the runs were: a histogram that a run pays two atomic additions for.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Upper ends of the buckets, in rows; the last bucket has no end.
const ENDS: [u32; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Rows per run.
#[derive(Debug, Default)]
pub(crate) struct BatchSizes {
    buckets: [AtomicU64; ENDS.len() + 1],
    rows: AtomicU64,
}

/// A moment's copy, for Prometheus; copies can be added up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SizesSeen {
    buckets: [u64; ENDS.len() + 1],
    rows: u64,
}

impl BatchSizes {
    /// A run of `rows` rows.
    pub(crate) fn record(&self, rows: u32) {
        let at = ENDS.iter().position(|end| rows <= *end).unwrap_or(ENDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Relaxed);
        }
        self.rows.fetch_add(u64::from(rows), Relaxed);
    }

    /// Adds what has been seen so far to `seen`.
    pub(crate) fn add_to(&self, seen: &mut SizesSeen) {
        for (sum, bucket) in seen.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        seen.rows += self.rows.load(Relaxed);
    }
}

impl SizesSeen {
    /// Runs.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Rows of all of them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds others to these.
    pub fn add(&mut self, others: &Self) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&others.buckets) {
            *sum += bucket;
        }
        self.rows += others.rows;
    }
}

impl TypedMetric for SizesSeen {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for SizesSeen {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let ends = ENDS.into_iter().map(f64::from).chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = ends.zip(self.buckets).collect();
        encoder.encode_histogram::<NoLabelSet>(self.rows as f64, self.runs(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
