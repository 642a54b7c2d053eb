//! What control counts: instances by function, how far up the ladder of warmth functions are, and what the engine counts for all
//! of them. Read when asked for, so that a version that is gone leaves no series.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use modelet_catalog::Entry;
use modelet_engine::{Engine, EngineStats, Function, Warmth};
use modelet_spec::TenantName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::control::FunctionCatalog;
use crate::logs::LogShelf;

/// Registers the collector.
pub(crate) fn register(
    registry: &mut Registry,
    catalog: Arc<ArcSwap<FunctionCatalog>>,
    engine: Engine,
    logs: Arc<LogShelf>,
) {
    registry.register_collector(Box::new(Live { catalog, engine, logs }));
}

/// What lives now.
struct Live {
    catalog: Arc<ArcSwap<FunctionCatalog>>,
    engine: Engine,
    logs: Arc<LogShelf>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Collector for Live {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let catalog = self.catalog.load();
        let help = "Live sandboxes of the functions that are in memory";
        let mut family = encoder.encode_descriptor("modelet_instances", help, None, MetricType::Gauge)?;
        let mut levels = Warmth::ALL.map(|level| (level, 0));
        for entry in catalog.functions() {
            let warmth = entry.all().map(|version| version.handle.warmth()).max().unwrap_or(Warmth::Disk);
            levels.iter_mut().filter(|(level, _)| *level == warmth).for_each(|(_, count)| *count += 1);
            let instances = entry.all().map(|version| version.handle.instances());
            let (busy, idle) = instances.fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
            // Of ten thousand functions most are on the disk only: they need no lines.
            if warmth == Warmth::Disk && busy == 0 {
                continue;
            }
            let name = function_label(entry);
            for (state, count) in [("busy", busy), ("idle", idle)] {
                let labels = [("function", name.as_str()), ("state", state)];
                gauge(count as u64).encode(family.encode_family(&labels)?)?;
            }
        }
        self.encode_worlds(&mut encoder)?;
        self.encode_shadows(&mut encoder)?;
        let help = "Functions by how much of them is in memory";
        let mut family = encoder.encode_descriptor("modelet_functions", help, None, MetricType::Gauge)?;
        for (level, count) in levels {
            gauge(count).encode(family.encode_family(&[("level", level.name())])?)?;
        }
        let stats = self.engine.stats();
        encode_memory(&mut encoder, &stats)?;
        self.encode_logs(&mut encoder)?;
        let copies = "Tensors copied from guests into the host, and from there into guests";
        let mut family = encoder.encode_descriptor("modelet_tensor_copies", copies, None, MetricType::Counter)?;
        for (direction, count) in [("in", stats.tensors_in), ("out", stats.tensors_out)] {
            ConstCounter::new(count).encode(family.encode_family(&[("direction", direction)])?)?;
        }
        Ok(())
    }
}

impl Live {
    /// What the functions in memory are built for.
    fn encode_worlds(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "The world that a function in memory is built for";
        let mut family = encoder.encode_descriptor("modelet_function_world", help, None, MetricType::Gauge)?;
        let catalog = self.catalog.load();
        for entry in catalog.functions().filter(|entry| entry.handle.warmth() != Warmth::Disk) {
            let Some(world) = entry.handle.world() else { continue };
            let labels = [("function", &*function_label(entry)), ("world", world.name())];
            gauge(1).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// How the answers of shadows compare.
    fn encode_shadows(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Copies of requests for the version that is a function's shadow, and what became of them";
        let mut family = encoder.encode_descriptor("modelet_shadow_requests", help, None, MetricType::Counter)?;
        let catalog = self.catalog.load();
        for entry in catalog.functions() {
            let Some(shadow) = entry.arms.as_ref().and_then(|arms| arms.shadow()) else { continue };
            let version = shadow.entry.version.to_string();
            for (verdict, count) in shadow.tally.counts() {
                let (tenant, function) = (entry.tenant.as_str(), entry.function.as_str());
                let labels =
                    [("tenant", tenant), ("function", function), ("version", &*version), ("verdict", verdict.name())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    /// What functions wrote beyond what they may.
    fn encode_logs(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Bytes of logs that were dropped because their invocations had written all they may";
        let mut family = encoder.encode_descriptor("modelet_log_dropped_bytes", help, None, MetricType::Counter)?;
        for (tenant, function, bytes) in self.logs.dropped() {
            let labels = [("tenant", tenant.as_str()), ("function", function.as_str())];
            ConstCounter::new(bytes).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// What functions take of memory, what they may take, and why they left it.
fn encode_memory(encoder: &mut DescriptorEncoder<'_>, stats: &EngineStats) -> Result<(), fmt::Error> {
    let gauges = [
        ("modelet_components", "Components in memory, one for all functions that have the same", stats.components),
        ("modelet_warm_bytes", "Code and memory of components and warm instances", stats.warm_bytes),
        ("modelet_warm_bytes_max", "What these may be, but for what is kept on purpose", stats.warm_bytes_max),
    ];
    for (name, help, value) in gauges {
        gauge(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    let help = "Functions that left memory, and why";
    let mut family = encoder.encode_descriptor("modelet_functions_cooled", help, None, MetricType::Counter)?;
    let reasons = [("idle", stats.gone_idle), ("room", stats.gone_for_room), ("pressure", stats.gone_under_pressure)];
    for (reason, count) in reasons {
        ConstCounter::new(count).encode(family.encode_family(&[("reason", reason)])?)?;
    }
    Ok(())
}

fn gauge(count: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The function's name; another tenant's with its owner before it, because names are unique in a tenant only.
fn function_label(entry: &Entry<Arc<Function>>) -> String {
    if entry.tenant == TenantName::default_tenant() {
        return entry.function.to_string();
    }
    format!("{}/{}", entry.tenant, entry.function)
}
