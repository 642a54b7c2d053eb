//! What the system says of this process, under the names that Prometheus's own clients have for it.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};

/// Registers the collector.
pub(crate) fn register(registry: &mut Registry) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.register_collector(Box::new(ProcessMetrics { started }));
}

#[derive(Debug)]
struct ProcessMetrics {
    /// In seconds of Unix.
    started: f64,
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        one(
            &mut encoder,
            "process_start_time_seconds",
            "When the server started",
            Some(ConstGauge::new(self.started)),
        )?;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = ConstCounter::new(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
        one(&mut encoder, "process_cpu_seconds", "Processor time that the server has had", Some(cpu))?;
        let resident =
            modelet_inference::resident_bytes().and_then(|bytes| i64::try_from(bytes).ok()).map(ConstGauge::new);
        one(
            &mut encoder,
            "process_resident_memory_bytes",
            "Memory of the server in RAM, mapped files included",
            resident,
        )?;
        let open = open_descriptors().map(ConstGauge::new);
        one(&mut encoder, "process_open_fds", "Open file descriptors", open)
    }
}

/// A metric without labels; one that the system does not tell is left out.
fn one<M: EncodeMetric + TypedMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: Option<M>,
) -> Result<(), fmt::Error> {
    let Some(metric) = metric else { return Ok(()) };
    metric.encode(encoder.encode_descriptor(name, help, None, M::TYPE)?)
}

fn open_descriptors() -> Option<i64> {
    // One of them is the directory that is being read.
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name}: {text}")).parse::<f64>().unwrap()
        };
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_memory_bytes") > f64::from(1 << 20));
        assert!(value("process_open_fds") >= 3.0);
    }
}
