//! The counters of one function's version.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use modelet_catalog::{FunctionUse, Gate, Spent};
use prometheus_client::metrics::counter::Counter;

use crate::histogram::Seconds;
use crate::meters::{Gone, Living};
use crate::metrics::{BytesLabels, CpuLabels, DIRECTIONS, Families, FunctionLabels, RequestLabels, TrapLabels};
use crate::respond::OK;

/// The reason of a request that was answered by its function.
pub(crate) const ANSWERED: &str = "answered";

/// Handles to the series of one function's version.
#[derive(Debug)]
pub(crate) struct Meter {
    labels: FunctionLabels,
    families: Families,
    /// 200 by the function itself: what nearly every request adds to.
    ok: Counter,
    others: RwLock<Vec<(RequestLabels, Counter)>>,
    kinds: RwLock<Vec<&'static str>>,
    seconds: Seconds,
    received: Counter,
    sent: Counter,
    /// Of all versions of the function.
    cpu: Counter<f64>,
    /// The same for the books.
    used: Arc<FunctionUse>,
    /// Whether the tenant may use more today.
    gate: Arc<Gate>,
    /// Who else counts under the same names; `None` for one whose series stay.
    living: Option<Arc<Living>>,
}

impl Meter {
    /// Makes the series that every function has.
    pub(crate) fn new(
        labels: FunctionLabels,
        families: Families,
        (used, gate): (Arc<FunctionUse>, Arc<Gate>),
        living: Option<Arc<Living>>,
    ) -> Self {
        let bytes = |direction| {
            let labels = BytesLabels { tenant: labels.tenant.clone(), direction };
            families.bytes.get_or_create(&labels).clone()
        };
        let ok = families.requests.get_or_create(&request_labels(&labels, OK, ANSWERED)).clone();
        let seconds = families.seconds.get_or_create(&labels).clone();
        let [received, sent] = DIRECTIONS.map(bytes);
        let cpu = families.cpu.get_or_create(&cpu_labels(&labels)).clone();
        let (others, kinds) = (RwLock::default(), RwLock::default());
        Self { labels, families, ok, others, kinds, seconds, received, sent, cpu, used, gate, living }
    }

    /// Counts one request, at its end.
    ///
    /// `status` is a label of [`respond`](crate::respond), never a guest's own number.
    pub(crate) fn request(&self, status: &'static str, reason: &'static str, duration: Duration) {
        self.seconds.observe(duration);
        self.used.request(reason == ANSWERED);
        if status == OK && reason == ANSWERED {
            self.ok.inc();
        } else {
            self.other(status, reason).inc();
        }
    }

    /// Whether the function's tenant may use more today.
    ///
    /// # Errors
    /// What it has used up, and for how long yet.
    pub(crate) fn may_use(&self, now_ms: u64) -> Result<(), (Spent, Duration)> {
        self.gate.check(now_ms)
    }

    /// Counts the bytes of one request's bodies.
    pub(crate) fn bytes(&self, received: u64, sent: u64) {
        self.used.bytes(received, sent);
        if received > 0 {
            self.received.inc_by(received);
        }
        if sent > 0 {
            self.sent.inc_by(sent);
        }
    }

    /// Counts time of a guest on a processor.
    pub(crate) fn computed(&self, time: Duration) {
        self.cpu.inc_by(time.as_secs_f64());
        self.used.computed(time);
    }

    /// Counts a request that no guest saw.
    pub(crate) fn rejected(&self, reason: &'static str) {
        self.used.refused();
        self.families.rejected.count(&self.labels.tenant, reason);
    }

    /// Counts a guest that was stopped.
    pub(crate) fn trap(&self, kind: &'static str) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        self.families.traps.get_or_create(&self.trap_labels(kind)).inc();
    }

    /// Takes the series of what is gone out of the registry.
    fn remove_series(&self, gone: Gone) {
        self.families.seconds.remove(&self.labels);
        self.families.requests.remove(&request_labels(&self.labels, OK, ANSWERED));
        for (labels, _) in self.others.read().unwrap_or_else(PoisonError::into_inner).iter() {
            self.families.requests.remove(labels);
        }
        if gone >= Gone::Function {
            self.families.cpu.remove(&cpu_labels(&self.labels));
            self.families.cold.remove_series(&self.labels.tenant, &self.labels.function);
            for kind in self.kinds.read().unwrap_or_else(PoisonError::into_inner).iter() {
                self.families.traps.remove(&self.trap_labels(kind));
            }
        }
        if gone >= Gone::Tenant {
            self.families.rejected.remove_series(&self.labels.tenant);
            for direction in DIRECTIONS {
                self.families.bytes.remove(&BytesLabels { tenant: self.labels.tenant.clone(), direction });
            }
        }
    }

    fn other(&self, status: &'static str, reason: &'static str) -> Counter {
        let find = |others: &[(RequestLabels, Counter)]| {
            others
                .iter()
                .find(|(labels, _)| labels.status == status && labels.reason == reason)
                .map(|(_, counter)| counter.clone())
        };
        if let Some(counter) = find(&self.others.read().unwrap_or_else(PoisonError::into_inner)) {
            return counter;
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = find(&others) {
            return counter;
        }
        let labels = request_labels(&self.labels, status, reason);
        let counter = self.families.requests.get_or_create(&labels).clone();
        others.push((labels, counter.clone()));
        counter
    }

    fn trap_labels(&self, kind: &'static str) -> TrapLabels {
        TrapLabels { function: self.labels.function.clone(), kind }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(living) = self.living.take() {
            living.leave(&self.labels, |gone| self.remove_series(gone));
        }
    }
}

fn cpu_labels(function: &FunctionLabels) -> CpuLabels {
    CpuLabels { tenant: function.tenant.clone(), function: function.function.clone() }
}

fn request_labels(function: &FunctionLabels, status: &'static str, reason: &'static str) -> RequestLabels {
    let FunctionLabels { tenant, function, version } = function.clone();
    RequestLabels { tenant, function, version, status, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn series_of_a_removed_version_go() {
        let mut registry = Registry::default();
        let families = Families::default();
        registry.register("requests", "", families.requests.clone());
        registry.register("seconds", "", families.seconds.clone());
        registry.register("traps", "", families.traps.clone());
        registry.register("cpu_seconds", "", families.cpu.clone());
        registry.register("bytes", "", families.bytes.clone());
        families.rejected.register(&mut registry);
        let labels = FunctionLabels { tenant: "t".into(), function: "f".into(), version: "1".into() };
        let meter = Meter::new(labels, families, Default::default(), None);
        meter.request("404", ANSWERED, Duration::from_millis(1));
        meter.request("404", ANSWERED, Duration::from_millis(1));
        meter.request(OK, ANSWERED, Duration::from_millis(1));
        meter.trap("unreachable");
        meter.computed(Duration::from_millis(250));
        meter.computed(Duration::from_millis(500));
        meter.rejected("tenant-busy");
        meter.bytes(3, 5);
        assert_eq!(meter.used.read().to_fields(), [3, 0, 1, 750_000, 3, 5, 0, 0, 0]);

        let text = |registry: &Registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
            text
        };
        let full = text(&registry);
        assert!(
            full.contains(r#"requests_total{tenant="t",function="f",version="1",status="404",reason="answered"} 2"#),
            "{full}"
        );
        assert!(full.contains(r#"seconds_count{tenant="t",function="f",version="1"} 3"#), "{full}");
        assert!(full.contains(r#"cpu_seconds_total{tenant="t",function="f"} 0.75"#), "{full}");
        assert!(full.contains(r#"traps_total{function="f",kind="unreachable"} 1"#), "{full}");

        meter.remove_series(Gone::Version);
        let rest = text(&registry);
        assert!(!rest.contains("version=\"1\"") && rest.contains("unreachable"), "{rest}");
        meter.remove_series(Gone::Function);
        let rest = text(&registry);
        assert!(!rest.contains("function=") && rest.contains(r#"tenant="t",reason="tenant-busy""#), "{rest}");
        meter.remove_series(Gone::Tenant);
        assert!(!text(&registry).contains(r#"tenant="t""#), "{}", text(&registry));
    }
}
