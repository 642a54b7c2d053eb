//! What control counts: instances by function, and what the engine counts for all of them. Read when asked for, so that a
//! version that is gone leaves no series.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use modelet_catalog::Entry;
use modelet_engine::{Engine, Function};
use modelet_spec::TenantName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::control::FunctionCatalog;

/// Registers the collector.
pub(crate) fn register(registry: &mut Registry, catalog: Arc<ArcSwap<FunctionCatalog>>, engine: Engine) {
    registry.register_collector(Box::new(Live { catalog, engine }));
}

/// What lives now.
struct Live {
    catalog: Arc<ArcSwap<FunctionCatalog>>,
    engine: Engine,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Collector for Live {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let catalog = self.catalog.load();
        let mut family = encoder.encode_descriptor("modelet_instances", "Live sandboxes", None, MetricType::Gauge)?;
        for entry in catalog.functions() {
            let live = crate::views::instances(&entry.handle);
            let name = function_label(entry);
            for (state, count) in [("busy", live.busy), ("idle", live.idle)] {
                let labels = [("function", name.as_str()), ("state", state)];
                gauge(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let copies = "Tensors copied from guests into the host, and from there into guests";
        let mut family = encoder.encode_descriptor("modelet_tensor_copies", copies, None, MetricType::Counter)?;
        let stats = self.engine.stats();
        for (direction, count) in [("in", stats.tensors_in), ("out", stats.tensors_out)] {
            ConstCounter::new(count).encode(family.encode_family(&[("direction", direction)])?)?;
        }
        Ok(())
    }
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
