//! What the data plane counts, under the names of the user's contract.
//!
//! Labels come from deployed names, from the status codes that HTTP has, and from this crate's own words: no client can
//! make a series.

use std::sync::Arc;
use std::time::Duration;

use modelet_catalog::Usage;
use modelet_engine::Function;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::histogram::Seconds;
use crate::meter::Meter;
use crate::meters::Meters;
use crate::rejections::Rejections;
use crate::times::{ColdStarts, GuestTimes};

/// A function's version, by its deployed names; all empty for a request that no route took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FunctionLabels {
    pub(crate) tenant: String,
    pub(crate) function: String,
    pub(crate) version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) tenant: String,
    pub(crate) function: String,
    pub(crate) version: String,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
}

/// Of bytes, as labels have them.
pub(crate) const DIRECTIONS: [&str; 2] = ["in", "out"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct BytesLabels {
    pub(crate) tenant: String,
    pub(crate) direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CpuLabels {
    pub(crate) tenant: String,
    pub(crate) function: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TrapLabels {
    pub(crate) function: String,
    pub(crate) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

/// A part of an invocation's time that the gateway sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// From the head's arrival to a route and, where it wants one, a key.
    Route,
    /// Waiting for permits.
    Queue,
    /// From there to the head of the answer, an instance's making included.
    Guest,
}

impl Stage {
    /// The stage in metrics and in `server-timing`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Queue => "queue",
            Self::Guest => "guest",
        }
    }
}

/// The families that handles are made from. A clone is the same families.
#[derive(Debug, Clone, Default)]
pub(crate) struct Families {
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) seconds: Family<FunctionLabels, Seconds>,
    pub(crate) bytes: Family<BytesLabels, Counter>,
    pub(crate) rejected: Rejections,
    pub(crate) traps: Family<TrapLabels, Counter>,
    pub(crate) cpu: Family<CpuLabels, Counter<f64>>,
    pub(crate) cold: ColdStarts,
}

/// All metrics of the data plane, as handles that the hot path need not look up.
#[derive(Debug)]
pub(crate) struct Metrics {
    route: Seconds,
    queue: Seconds,
    guest: Seconds,
    inside: GuestTimes,
    unrouted: Arc<Meter>,
    meters: Meters,
    usage: Arc<Usage>,
}

impl Metrics {
    /// Registers everything. What functions use is counted in `usage`, too.
    pub(crate) fn new(registry: &mut Registry, usage: Arc<Usage>) -> Self {
        let families = Families::default();
        let stages = Family::<StageLabels, Seconds>::default();
        registry.register("modelet_requests", "Requests answered, or given up", families.requests.clone());
        registry.register(
            "modelet_request_seconds",
            "From the arrival of a request's head to the end of its answer",
            families.seconds.clone(),
        );
        registry.register("modelet_stage_seconds", "Parts of an invocation's time", stages.clone());
        registry.register("modelet_bytes", "Bytes of bodies", families.bytes.clone());
        families.rejected.register(registry);
        registry.register(
            "modelet_guest_traps",
            "Guests that were stopped: traps, limits, deadlines",
            families.traps.clone(),
        );
        registry.register(
            "modelet_cpu_seconds",
            "Time that guests were on a processor, runs of models apart",
            families.cpu.clone(),
        );
        families.cold.register(registry);
        let named = |stage| stages.get_or_create(&StageLabels { stage }).clone();
        let (cold, rejected) = (families.cold.clone(), families.rejected.clone());
        let inside = GuestTimes {
            compile: named("compile"),
            instantiate: named("instantiate"),
            load: named("load"),
            infer: named("infer"),
            cold,
            rejected,
        };
        let stage = |stage: Stage| named(stage.name());
        Self {
            inside,
            route: stage(Stage::Route),
            queue: stage(Stage::Queue),
            guest: stage(Stage::Guest),
            unrouted: Arc::new(Meter::new(FunctionLabels::default(), families.clone(), Default::default(), None)),
            meters: Meters::new(families),
            usage,
        }
    }

    /// Counts the time of one stage.
    pub(crate) fn stage(&self, stage: Stage, duration: Duration) {
        match stage {
            Stage::Route => self.route.observe(duration),
            Stage::Queue => self.queue.observe(duration),
            Stage::Guest => self.guest.observe(duration),
        }
    }

    /// What hears of times inside of guests.
    pub(crate) fn inside(&self) -> GuestTimes {
        self.inside.clone()
    }

    /// The counters of requests that no route took.
    pub(crate) fn unrouted(&self) -> &Meter {
        &self.unrouted
    }

    /// The counters of a function's version; the function itself has them at hand.
    pub(crate) fn meter(&self, function: &Function) -> Arc<Meter> {
        let make = || {
            let spec = function.spec();
            let labels = FunctionLabels {
                tenant: spec.tenant.to_string(),
                function: spec.function.to_string(),
                version: spec.version.to_string(),
            };
            let used = self.usage.open(&spec.tenant, &spec.function, spec.version);
            self.meters.make(labels, (used, self.usage.gate(&spec.tenant)))
        };
        function.beside(make).unwrap_or_else(make)
    }
}
