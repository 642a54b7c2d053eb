//! What Prometheus reads of memory, by device: all models together, so that nobody's is seen.
//!
//! `modelet_device_models{device}` · `modelet_device_bytes{device,state="taken|budget"}` · `modelet_model_loads_total{outcome}` ·
//! `modelet_model_departures_total{reason="idle|room"}` · `modelet_model_refusals_total{reason="busy|too-large"}`.

use std::fmt;

use modelet_spec::Device;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use super::residency::Residency;
use crate::metrics::{family, gauge};

impl Residency {
    /// Adds the metrics of memory to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(MemoryMetrics(self.clone())));
    }
}

/// Reads the residency when Prometheus asks.
struct MemoryMetrics(Residency);

impl Collector for MemoryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let device = |device: &Device| ("device", device.to_string());
        family(
            &mut encoder,
            ("modelet_device_models", "Models in memory."),
            stats.devices.iter().map(|(name, stats)| ([device(name)], gauge(stats.models))),
        )?;
        family(
            &mut encoder,
            ("modelet_device_bytes", "Bytes that models take, and may take."),
            stats.devices.iter().flat_map(|(name, stats)| {
                let bytes = |bytes: u64| gauge(usize::try_from(bytes).unwrap_or(usize::MAX));
                let of = |state: &str, value| ([device(name), ("state", state.to_owned())], bytes(value));
                [of("taken", stats.bytes), of("budget", stats.budget)]
            }),
        )?;
        let counters = |label: &'static str, counts: [(&'static str, u64); 2]| {
            counts.into_iter().map(move |(value, count)| ([(label, value.to_owned())], ConstCounter::new(count)))
        };
        family(
            &mut encoder,
            ("modelet_model_loads", "Loads of models."),
            counters("outcome", [("done", stats.loads), ("failed", stats.failed)]),
        )?;
        family(
            &mut encoder,
            ("modelet_model_departures", "Models that left memory: nobody used them, or another needed the room."),
            counters("reason", [("idle", stats.expired), ("room", stats.evicted)]),
        )?;
        family(
            &mut encoder,
            (
                "modelet_model_refusals",
                "Loads refused for want of memory: all else is in use, or the model is too large.",
            ),
            counters("reason", [("busy", stats.busy), ("too-large", stats.too_large)]),
        )
    }
}

impl fmt::Debug for MemoryMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryMetrics")
    }
}
