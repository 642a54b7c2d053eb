//! What functions send, in numbers.

use std::fmt;

use modelet_spec::TenantName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::permits::Permits;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    tenant: String,
    outcome: &'static str,
}

/// Requests by whose and what became of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    requests: Family<Labels, Counter>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry, permits: Permits) -> Self {
        let metrics = Self::default();
        let help = "Requests of functions: answered, or why not";
        registry.register("modelet_outbound_requests", help, metrics.requests.clone());
        registry.register_collector(Box::new(Connections(permits)));
        metrics
    }

    pub(super) fn count(&self, tenant: &TenantName, outcome: &'static str) {
        self.requests.get_or_create(&Labels { tenant: tenant.to_string(), outcome }).inc();
    }
}

/// Read when asked for.
#[derive(Debug)]
struct Connections(Permits);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new(i64::from(self.0.open()));
        let help = "Open connections of functions";
        gauge.encode(encoder.encode_descriptor("modelet_outbound_connections", help, None, gauge.metric_type())?)
    }
}
