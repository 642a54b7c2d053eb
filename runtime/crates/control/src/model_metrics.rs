//! Metrics of models under their owners' names: of each owner's own uses, whoever else has the same content in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use modelet_spec::TenantName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::models::ModelShelf;

/// Registers the collector.
pub(crate) fn register(registry: &mut Registry, models: Arc<ModelShelf>) {
    registry.register_collector(Box::new(ModelMetrics(models)));
}

/// Reads the handles when asked: a version that is removed has none, and leaves no series.
struct ModelMetrics(Arc<ModelShelf>);

impl fmt::Debug for ModelMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelMetrics")
    }
}

impl Collector for ModelMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut requests = Vec::new();
        // By tenant, model and device: its versions together.
        let mut resident: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut seconds: BTreeMap<(String, String, String), f64> = BTreeMap::new();
        for ((tenant, name, version), seen) in self.0.seen() {
            let model = label(&tenant, name.as_str());
            if let Some(device) = seen.device {
                *resident.entry((model.clone(), device.to_string())).or_default() += seen.bytes;
            }
            for (device, busy) in seen.busy {
                let series = (tenant.to_string(), name.to_string(), device.to_string());
                *seconds.entry(series).or_default() += busy.as_secs_f64();
            }
            requests.push((model, version.to_string(), seen.uses));
        }
        let mut family = encoder.encode_descriptor(
            "modelet_model_requests",
            "Calls to a model's version",
            None,
            MetricType::Counter,
        )?;
        for (model, version, count) in &requests {
            let labels = [("model", model.as_str()), ("version", version.as_str()), ("method", "compute")];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "modelet_model_resident_bytes",
            "Bytes of a model in memory, as its owner's own calls keep it there",
            None,
            MetricType::Gauge,
        )?;
        for ((model, device), bytes) in &resident {
            let labels = [("model", model.as_str()), ("device", device.as_str())];
            let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
            ConstGauge::new(bytes).encode(family.encode_family(&labels)?)?;
        }
        let help = "Seconds that a tenant's calls kept a model's sessions busy";
        let mut family = encoder.encode_descriptor("modelet_inference_seconds", help, None, MetricType::Counter)?;
        for ((tenant, model, device), seconds) in &seconds {
            let labels = [("tenant", tenant.as_str()), ("model", model.as_str()), ("device", device.as_str())];
            ConstCounter::new(*seconds).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The model's name; another tenant's with its owner before it, because names are unique in a tenant only.
fn label(tenant: &TenantName, name: &str) -> String {
    if *tenant == TenantName::default_tenant() { name.to_owned() } else { format!("{tenant}/{name}") }
}
