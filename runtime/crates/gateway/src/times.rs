//! Times inside of invocations, as the engine tells them.

use std::time::Duration;

use modelet_engine::ports::{ColdStart, Stage, Times, TurnedAway};
use modelet_spec::{FunctionName, TenantName};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::histogram::Seconds;
use crate::rejections::Rejections;

/// How many invocations of a function waited for what was not there. Another tenant's function has its owner before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ColdLabels {
    function: String,
    level: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LevelLabels {
    level: &'static str,
}

/// Counts of cold starts. A clone is the same counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColdStarts {
    starts: Family<ColdLabels, Counter>,
    seconds: Family<LevelLabels, Seconds>,
}

/// What the engine tells.
#[derive(Debug, Clone)]
pub(crate) struct GuestTimes {
    pub(crate) compile: Seconds,
    pub(crate) instantiate: Seconds,
    pub(crate) load: Seconds,
    pub(crate) infer: Seconds,
    pub(crate) cold: ColdStarts,
    pub(crate) rejected: Rejections,
}

const LEVELS: [ColdStart; 3] = [ColdStart::Component, ColdStart::Instance, ColdStart::Model];

impl ColdStarts {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "modelet_cold_starts",
            "Invocations that waited for a component or a model that was not in memory, or for a new instance",
            self.starts.clone(),
        );
        registry.register("modelet_cold_start_seconds", "How long they waited for that", self.seconds.clone());
    }

    /// A function is gone.
    pub(crate) fn remove_series(&self, tenant: &str, function: &str) {
        for level in LEVELS {
            self.starts.remove(&labels(tenant, function, level));
        }
    }
}

impl Times for GuestTimes {
    fn stage(&self, stage: Stage, took: Duration) {
        match stage {
            Stage::Compile => self.compile.observe(took),
            Stage::Instantiate => self.instantiate.observe(took),
            Stage::Load => self.load.observe(took),
            Stage::Infer => self.infer.observe(took),
        }
    }

    fn cold_start(&self, (tenant, function): (&TenantName, &FunctionName), level: ColdStart, took: Duration) {
        self.cold.starts.get_or_create(&labels(tenant.as_str(), function.as_str(), level)).inc();
        self.cold.seconds.get_or_create(&LevelLabels { level: name(level) }).observe(took);
    }

    fn turned_away(&self, tenant: &TenantName, why: TurnedAway) {
        let reason = match why {
            TurnedAway::Queue => "model-queue",
            TurnedAway::Memory => "model-memory",
        };
        self.rejected.count(tenant.as_str(), reason);
    }
}

fn labels(tenant: &str, function: &str, level: ColdStart) -> ColdLabels {
    let is_default = tenant == TenantName::default_tenant().as_str();
    let function = if is_default { function.to_owned() } else { format!("{tenant}/{function}") };
    ColdLabels { function, level: name(level) }
}

fn name(level: ColdStart) -> &'static str {
    match level {
        ColdStart::Component => "component",
        ColdStart::Instance => "instance",
        ColdStart::Model => "model",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_starts_are_counted_by_function_and_go_with_it() {
        let mut registry = Registry::default();
        let cold = ColdStarts::default();
        cold.register(&mut registry);
        let (load, infer, rejected) = (Seconds::default(), Seconds::default(), Rejections::default());
        let (compile, instantiate) = (Seconds::default(), Seconds::default());
        let times = GuestTimes { compile, instantiate, load, infer, cold: cold.clone(), rejected };
        let (tenant, function) = (TenantName::default_tenant(), "f".parse().unwrap());
        times.cold_start((&tenant, &function), ColdStart::Model, Duration::from_millis(3));
        times.cold_start((&"acme".parse().unwrap(), &function), ColdStart::Instance, Duration::from_millis(1));
        let text = |registry: &Registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
            text
        };
        let full = text(&registry);
        assert!(full.contains(r#"modelet_cold_starts_total{function="f",level="model"} 1"#), "{full}");
        assert!(full.contains(r#"modelet_cold_starts_total{function="acme/f",level="instance"} 1"#), "{full}");
        assert!(full.contains(r#"modelet_cold_start_seconds_count{level="model"} 1"#), "{full}");
        cold.remove_series("default", "f");
        let rest = text(&registry);
        assert!(!rest.contains(r#"function="f""#) && rest.contains("acme/f"), "{rest}");
    }
}
