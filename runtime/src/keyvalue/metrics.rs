//! What is counted of what functions keep: calls by what became of them, and what each tenant has.

use std::fmt;
use std::sync::Arc;

use modelet_spec::TenantName;
use modelet_store::{KeyValueError, KeyValueUse, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    tenant: String,
    operation: &'static str,
    outcome: &'static str,
}

/// Calls by whose, what and how. A clone is the same counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    operations: Family<Labels, Counter>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry, store: Arc<Store>) -> Self {
        let metrics = Self::default();
        let help = "Calls of functions to the key-value store: done, refused (why), or failed in the store";
        registry.register("modelet_keyvalue_operations", help, metrics.operations.clone());
        registry.register_collector(Box::new(Kept(store)));
        metrics
    }

    /// A call ended.
    pub(super) fn count<T>(&self, tenant: &TenantName, operation: &'static str, done: &Result<T, KeyValueError>) {
        let outcome = match done {
            Ok(_) => "done",
            Err(KeyValueError::Keys { .. }) => "refused-keys",
            Err(KeyValueError::Bytes { .. }) => "refused-bytes",
            Err(KeyValueError::Answer { .. }) => "refused-answer",
            Err(KeyValueError::NotANumber(_) | KeyValueError::Overflow(_)) => "refused-value",
            Err(KeyValueError::Store(_)) => "failed",
        };
        self.operations.get_or_create(&Labels { tenant: tenant.to_string(), operation, outcome }).inc();
    }
}

/// A gauge: its name, its help, and what it is of a tenant.
type Figure = (&'static str, &'static str, fn(&KeyValueUse) -> u64);

/// Read when asked for.
struct Kept(Arc<Store>);

impl Collector for Kept {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kept = self.0.pairs_use().unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "what tenants keep cannot be read");
            Vec::new()
        });
        let figures: [Figure; 2] = [
            ("modelet_keyvalue_keys", "Pairs that a tenant's functions keep", |kept| kept.keys),
            ("modelet_keyvalue_bytes", "Bytes of keys and values that a tenant's functions keep", |kept| kept.bytes),
        ];
        for (name, help, figure) in figures {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for kept in &kept {
                let gauge = ConstGauge::new(i64::try_from(figure(kept)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("tenant", kept.tenant.as_str())])?)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
