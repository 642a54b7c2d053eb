//! What Prometheus reads of this crate: of the server as a whole. A copy in memory may be shared by strangers, so nothing here
//! tells one model from another; what an owner's calls have had of its model is in `residency/seen.rs`.
//!
//! `modelet_device_sessions{device}` · `modelet_model_runs_total{on}` · `modelet_model_rejected_total{flow}` ·
//! `modelet_model_copies_total{side}` (tensors) · `modelet_model_busy_seconds_total{device}` ·
//! `modelet_inference_arena_bytes{state}`.

use std::collections::BTreeMap;
use std::fmt;

use modelet_spec::Device;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::runtime::Runtime;

/// Reads the runtime when Prometheus asks, so a run pays for two counters only.
pub(crate) struct ModelMetrics {
    runtime: Runtime,
}

impl ModelMetrics {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self { runtime }
    }

    /// Sessions of all models, by device.
    fn sessions(&self) -> BTreeMap<Device, usize> {
        // What they have taken is not asked for.
        let devices = self.runtime.shared.devices.uses(0);
        let mut sessions: BTreeMap<Device, usize> = devices.iter().map(|device| (device.device, 0)).collect();
        for model in self.runtime.models() {
            *sessions.entry(model.device()).or_default() += model.sessions();
        }
        sessions
    }
}

impl Collector for ModelMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sums = self.runtime.shared.counters.read();
        let device = |device: &Device| ("device", device.to_string());
        family(
            &mut encoder,
            ("modelet_device_sessions", "Sessions loaded, of all models."),
            self.sessions().iter().map(|(name, count)| ([device(name)], gauge(*count))),
        )?;
        family(
            &mut encoder,
            ("modelet_model_rejected", "Calls that found no place in a model's queue or lost it, by flow."),
            sums.rejected.iter().map(|(flow, count)| {
                let flow = flow.map_or_else(|| "others".to_owned(), |flow| flow.to_string());
                ([("flow", flow)], ConstCounter::new(*count))
            }),
        )?;
        let counters = |label: &'static str, counts: [(&'static str, u64); 2]| {
            counts.into_iter().map(move |(value, count)| ([(label, value.to_owned())], ConstCounter::new(count)))
        };
        family(
            &mut encoder,
            ("modelet_model_runs", "Runs, by where they ran: on their caller's thread or on a worker."),
            counters("on", [("caller", sums.runs_inline), ("worker", sums.runs_on_workers)]),
        )?;
        family(
            &mut encoder,
            ("modelet_model_copies", "Tensors copied beside the one copy at a guest's door each way: joined inputs."),
            counters("side", [("input", sums.inputs_copied), ("output", sums.outputs_copied)]),
        )?;
        family(
            &mut encoder,
            ("modelet_model_busy_seconds", "Seconds that sessions were in use."),
            sums.busy_ns.iter().map(|(name, ns)| ([device(name)], ConstCounter::new(*ns as f64 / 1e9))),
        )?;
        let stats = self.runtime.stats();
        let states =
            [("in_use", stats.arena_in_use), ("reserved", stats.arena_reserved), ("max", Some(stats.arena_max))];
        family(
            &mut encoder,
            ("modelet_inference_arena_bytes", "Memory of all models' weights and tensors."),
            states.iter().filter_map(|(state, bytes)| {
                let bytes = i64::try_from((*bytes)?).unwrap_or(i64::MAX);
                Some(([("state", (*state).to_owned())], ConstGauge::new(bytes)))
            }),
        )
    }
}

/// One metric with all its series.
pub(crate) fn family<M: EncodeMetric + TypedMetric, const LABELS: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    series: impl Iterator<Item = ([(&'static str, String); LABELS], M)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, M::TYPE)?;
    debug_assert!(!matches!(M::TYPE, MetricType::Unknown));
    for (labels, metric) in series {
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

pub(crate) fn gauge(count: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}

impl fmt::Debug for ModelMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelMetrics")
    }
}
