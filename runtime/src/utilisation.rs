//! How full the server is: `modelet_utilization_ratio`, of each resource that all functions share. At 1 there is a limit, and
//! somebody is turned away, waits, or has to go.

use std::fmt;

use modelet_control::Inference;
use modelet_engine::Engine;
use modelet_gateway::Shares;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Who knows.
pub(crate) struct Utilisation {
    pub(crate) shares: Shares,
    pub(crate) engine: Engine,
    pub(crate) instances_max: u32,
    pub(crate) inference: Inference,
}

impl Utilisation {
    /// Registers the collector.
    pub(crate) fn register(self, registry: &mut Registry) {
        registry.register_collector(Box::new(self));
    }

    fn ratios(&self) -> Vec<(&'static str, f64)> {
        let stats = self.engine.stats();
        let mut ratios = vec![
            ("connections", self.shares.connections()),
            ("concurrency", self.shares.concurrency()),
            ("instances", ratio(stats.instances_in_fullest_pool, u64::from(self.instances_max))),
            ("warm_memory", ratio(stats.warm_bytes, stats.warm_bytes_max)),
        ];
        if let Inference::Ready(runtime) = &self.inference {
            ratios.extend(runtime.arena_share().map(|share| ("inference_memory", share)));
        }
        ratios
    }
}

impl Collector for Utilisation {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "How much of what all functions share is taken, from 0 to 1";
        let mut family = encoder.encode_descriptor("modelet_utilization_ratio", help, None, MetricType::Gauge)?;
        for (resource, ratio) in self.ratios() {
            ConstGauge::new(ratio).encode(family.encode_family(&[("resource", resource)])?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Utilisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Utilisation")
    }
}

fn ratio(used: u64, max: u64) -> f64 {
    used as f64 / max.max(1) as f64
}
