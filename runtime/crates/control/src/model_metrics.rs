//! Metrics of models under their owners' names: of each owner's own uses, in full, whoever else has the same content in memory
//! (decision 0009). No series carries a name that is not its owner's, nor changes because a stranger uses the same bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use modelet_inference::{ModelUse, SizesSeen};
use modelet_spec::TenantName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
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

/// All series; a model's versions together where its version is no label.
#[derive(Default)]
struct Series {
    requests: BTreeMap<[String; 3], u64>,
    resident: BTreeMap<[String; 2], u64>,
    sessions: BTreeMap<[String; 2], u64>,
    waiting: BTreeMap<[String; 1], u64>,
    sizes: BTreeMap<[String; 1], SizesSeen>,
    seconds: BTreeMap<[String; 3], f64>,
}

impl fmt::Debug for ModelMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelMetrics")
    }
}

impl Series {
    fn of(shelf: &ModelShelf) -> Self {
        let mut series = Self::default();
        for ((user, (tenant, name, version)), seen) in shelf.seen() {
            if user != tenant {
                series.granted(&user, &tenant, name.as_str(), &seen);
                continue;
            }
            let model = label(&tenant, name.as_str());
            series.requests.insert([model.clone(), version.to_string(), "compute".to_owned()], seen.uses);
            *series.waiting.entry([model.clone()]).or_default() += seen.waiting as u64;
            series.sizes.entry([model.clone()]).or_default().add(&seen.sizes);
            if let Some(device) = seen.device {
                let place = [model, device.to_string()];
                *series.resident.entry(place.clone()).or_default() += seen.bytes;
                *series.sessions.entry(place).or_default() += seen.sessions as u64;
            }
            for (device, busy) in seen.busy {
                let labels = [tenant.to_string(), name.to_string(), device.to_string()];
                *series.seconds.entry(labels).or_default() += busy.as_secs_f64();
            }
        }
        series
    }

    /// What a tenant uses of another's model: only how long it keeps it busy, which is on the user's account.
    fn granted(&mut self, user: &TenantName, owner: &TenantName, name: &str, seen: &ModelUse) {
        for (device, busy) in &seen.busy {
            let labels = [user.to_string(), format!("{owner}/{name}"), device.to_string()];
            *self.seconds.entry(labels).or_default() += busy.as_secs_f64();
        }
    }
}

impl Collector for ModelMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let series = Series::of(&self.0);
        let help = "Calls to a model's version";
        let requests = series.requests.iter().map(|(labels, count)| (labels, ConstCounter::new(*count)));
        family(&mut encoder, ("modelet_model_requests", help), ["model", "version", "method"], requests)?;
        let help = "Bytes of a model in memory, as its owner's own calls keep it there";
        let resident = series.resident.iter().map(|(labels, bytes)| (labels, gauge(*bytes)));
        family(&mut encoder, ("modelet_model_resident_bytes", help), ["model", "device"], resident)?;
        let help = "Sessions of a model that its owner's own calls have had use for";
        let sessions = series.sessions.iter().map(|(labels, count)| (labels, gauge(*count)));
        family(&mut encoder, ("modelet_sessions", help), ["model", "device"], sessions)?;
        let help = "Its owner's calls that wait for a session";
        let waiting = series.waiting.iter().map(|(labels, count)| (labels, gauge(*count)));
        family(&mut encoder, ("modelet_queue_depth", help), ["model"], waiting)?;
        let help = "Rows of its owner's calls in each run that they had a part in";
        let sizes = series.sizes.iter().map(|(labels, sizes)| (labels, sizes.clone()));
        family(&mut encoder, ("modelet_batch_size", help), ["model"], sizes)?;
        let help = "Seconds that a tenant's calls kept a model's sessions busy";
        let seconds = series.seconds.iter().map(|(labels, seconds)| (labels, ConstCounter::new(*seconds)));
        family(&mut encoder, ("modelet_inference_seconds", help), ["tenant", "model", "device"], seconds)
    }
}

/// One metric with all its series.
fn family<'a, M: EncodeMetric + TypedMetric, const LABELS: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    keys: [&'static str; LABELS],
    series: impl Iterator<Item = (&'a [String; LABELS], M)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, M::TYPE)?;
    for (values, metric) in series {
        let labels: Vec<(&str, &str)> = keys.iter().copied().zip(values.iter().map(String::as_str)).collect();
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge(count: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The model's name; another tenant's with its owner before it, because names are unique in a tenant only.
fn label(tenant: &TenantName, name: &str) -> String {
    if *tenant == TenantName::default_tenant() { name.to_owned() } else { format!("{tenant}/{name}") }
}
