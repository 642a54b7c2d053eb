//! What Prometheus reads of this crate, per loaded model; a model that is unloaded takes its series along.
//!
//! `modelet_sessions{model,device}` · `modelet_queue_depth{model}` · `modelet_batch_size{model}` (rows per run) ·
//! `modelet_model_runs_total{model,on}` · `modelet_model_rejected_total{model,flow}` ·
//! `modelet_model_copies_total{model,side}` (tensors) · `modelet_model_busy_seconds_total{model,device}` · `modelet_inference_arena_bytes{state}`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};

use crate::batch::size::SizesSeen;
use crate::runtime::Runtime;

/// Reads the runtime when Prometheus asks, so a run pays for two counters only.
pub(crate) struct ModelMetrics {
    runtime: Runtime,
}

/// One model's row; models of the same name (an old version still in use) are added up.
#[derive(Default)]
struct Row {
    /// That of the newest; versions of a model may be on different ones.
    device: String,
    sessions: usize,
    waiting: usize,
    runs_inline: u64,
    runs_on_workers: u64,
    busy_ns: u64,
    inputs_copied: u64,
    outputs_copied: u64,
    sizes: SizesSeen,
    rejected: BTreeMap<Option<u64>, u64>,
}

impl ModelMetrics {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self { runtime }
    }

    fn rows(&self) -> BTreeMap<String, Row> {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for model in self.runtime.models() {
            let row = rows.entry(model.name().to_owned()).or_default();
            row.device = model.device().to_string();
            row.sessions += model.sessions();
            row.waiting += model.queue_depth();
            row.runs_inline += model.counters.runs_inline.load(Relaxed);
            row.runs_on_workers += model.counters.runs_on_workers.load(Relaxed);
            row.busy_ns += model.counters.busy_ns.load(Relaxed);
            let copies = model.copies();
            row.inputs_copied += copies.inputs;
            row.outputs_copied += copies.outputs;
            model.counters.sizes.add_to(&mut row.sizes);
            for (flow, count) in model.counters.rejected.counts() {
                *row.rejected.entry(flow).or_default() += count;
            }
        }
        rows
    }
}

impl Collector for ModelMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = self.rows();
        let name = |name: &String| name.clone();
        family(
            &mut encoder,
            ("modelet_sessions", "Sessions loaded."),
            rows.iter()
                .map(|(model, row)| ([("model", name(model)), ("device", row.device.clone())], gauge(row.sessions))),
        )?;
        family(
            &mut encoder,
            ("modelet_queue_depth", "Calls that wait for a session."),
            rows.iter().map(|(model, row)| ([("model", name(model))], gauge(row.waiting))),
        )?;
        family(
            &mut encoder,
            ("modelet_batch_size", "Rows per run."),
            rows.iter().map(|(model, row)| ([("model", name(model))], row.sizes.clone())),
        )?;
        family(
            &mut encoder,
            ("modelet_model_rejected", "Calls that found no place in the queue or lost it, by flow."),
            rows.iter().flat_map(|(model, row)| {
                row.rejected.iter().map(|(flow, count)| {
                    let flow = flow.map_or_else(|| "others".to_owned(), |flow| flow.to_string());
                    ([("model", name(model)), ("flow", flow)], ConstCounter::new(*count))
                })
            }),
        )?;
        family(
            &mut encoder,
            ("modelet_model_runs", "Runs, by where they ran: on their caller's thread or on a worker."),
            rows.iter().flat_map(|(model, row)| {
                let on = |place: &str| [("model", name(model)), ("on", place.to_owned())];
                [
                    (on("caller"), ConstCounter::new(row.runs_inline)),
                    (on("worker"), ConstCounter::new(row.runs_on_workers)),
                ]
            }),
        )?;
        family(
            &mut encoder,
            ("modelet_model_copies", "Tensors copied beside the one copy at a guest's door each way: joined inputs."),
            rows.iter().flat_map(|(model, row)| {
                let of = |side: &str| [("model", name(model)), ("side", side.to_owned())];
                [
                    (of("input"), ConstCounter::new(row.inputs_copied)),
                    (of("output"), ConstCounter::new(row.outputs_copied)),
                ]
            }),
        )?;
        family(
            &mut encoder,
            ("modelet_model_busy_seconds", "Seconds that sessions were in use."),
            rows.iter().map(|(model, row)| {
                let labels = [("model", name(model)), ("device", row.device.clone())];
                (labels, ConstCounter::new(row.busy_ns as f64 / 1e9))
            }),
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
