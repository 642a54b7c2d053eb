//! What happened between two readings, and what is there at the second: the rows of `modelet top`.

use std::collections::BTreeMap;

use clap::ValueEnum;
use modelet_spec::TenantName;
use serde::Serialize;

use super::scrape::{Scrape, Series};

/// One picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Snapshot {
    /// What rates and latencies are of, in seconds.
    pub(crate) seconds: f64,
    pub(crate) server: Server,
    /// Those in memory, and those that were called since the server started.
    pub(crate) functions: Vec<Function>,
    /// Those in memory, and those that were called.
    pub(crate) models: Vec<Model>,
}

/// The server as a whole, whosever the functions are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Server {
    pub(crate) uptime_seconds: Option<f64>,
    #[serde(flatten)]
    pub(crate) requests: Requests,
    /// Requests that no guest saw.
    pub(crate) rejected_per_second: f64,
    pub(crate) resident_bytes: Option<f64>,
    /// Cores that it kept busy.
    pub(crate) cores: Option<f64>,
    pub(crate) instances_busy: f64,
    pub(crate) instances_idle: f64,
    /// Functions by how much of them is in memory.
    pub(crate) levels: Levels,
    /// Invocations that waited for what was not in memory.
    pub(crate) cold_starts_per_second: ColdStarts,
    /// Code and memory of components and warm instances, and what these may be.
    pub(crate) warm_bytes: f64,
    pub(crate) warm_bytes_max: f64,
    /// Weights and tensors of all models; absent without ONNX Runtime.
    pub(crate) models_bytes: Option<f64>,
    pub(crate) models_bytes_max: Option<f64>,
}

/// The ladder of warmth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Levels {
    pub(crate) disk: f64,
    pub(crate) component: f64,
    pub(crate) warm: f64,
    pub(crate) busy: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct ColdStarts {
    pub(crate) component: f64,
    pub(crate) instance: f64,
    pub(crate) model: f64,
}

/// Requests of one function, or of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Requests {
    pub(crate) requests_per_second: f64,
    /// Answers with a status from 500 on.
    pub(crate) errors_per_second: f64,
    /// `null`: there was none.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    #[serde(skip)]
    pub(crate) took: Buckets,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Function {
    /// Another tenant's has its owner before it.
    pub(crate) function: String,
    /// The newest that was called; empty for one that was not.
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) requests: Requests,
    pub(crate) busy: f64,
    pub(crate) idle: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Model {
    /// Another tenant's has its owner before it.
    pub(crate) model: String,
    /// Where it is in memory.
    pub(crate) devices: Vec<String>,
    pub(crate) calls_per_second: f64,
    /// Calls that wait for a session.
    pub(crate) waiting: f64,
    pub(crate) sessions: f64,
    pub(crate) resident_bytes: f64,
}

/// What functions are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Name
    Name,
    /// Requests per second
    Requests,
    /// Half of the answers came within this
    P50,
    /// All but a hundredth of the answers came within this
    P99,
    /// Errors per second
    Errors,
    /// Instances that answer
    Busy,
    /// Instances that wait
    Idle,
}

/// Durations by upper bound, in ascending order: how many were in each bucket alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Buckets(Vec<(f64, f64)>);

impl Sort {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Requests => "requests",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Errors => "errors",
            Self::Busy => "busy",
            Self::Idle => "idle",
        }
    }

    /// The larger, the higher up.
    fn weight(self, function: &Function) -> f64 {
        let requests = &function.requests;
        match self {
            Self::Name => 0.0,
            Self::Requests => requests.requests_per_second,
            Self::P50 => requests.p50_ms.unwrap_or(-1.0),
            Self::P99 => requests.p99_ms.unwrap_or(-1.0),
            Self::Errors => requests.errors_per_second,
            Self::Busy => function.busy,
            Self::Idle => function.idle,
        }
    }
}

impl Snapshot {
    /// `tenant`: of its functions and models alone.
    pub(crate) fn between(before: &Scrape, now: &Scrape, tenant: Option<&TenantName>) -> Self {
        let seconds = now.seconds_since(before);
        let is_meant = |label: &str| tenant.is_none_or(|tenant| owner(label) == tenant.as_str());
        let mut functions = functions(before, now);
        let server = server(before, now, functions.values());
        functions.retain(|name, _| is_meant(name));
        let mut models = models(before, now);
        models.retain(|name, _| is_meant(name));
        Self {
            seconds,
            server,
            functions: functions.into_values().filter(|function| !function.function.is_empty()).collect(),
            models: models.into_values().collect(),
        }
    }

    /// The highest first; those that are equal by their names.
    pub(crate) fn sort(&mut self, by: Sort) {
        self.functions.sort_by(|a, b| by.weight(b).total_cmp(&by.weight(a)).then_with(|| a.function.cmp(&b.function)));
    }
}

/// By their labels; what no route took is the function without a name.
fn functions(before: &Scrape, now: &Scrape) -> BTreeMap<String, Function> {
    let seconds = now.seconds_since(before);
    let mut functions: BTreeMap<String, Function> = BTreeMap::new();
    let named = |functions: &mut BTreeMap<String, Function>, name: String, change: &dyn Fn(&mut Function)| {
        change(functions.entry(name.clone()).or_insert_with(|| Function { function: name, ..Function::default() }));
    };
    for series in now.each("modelet_requests_total") {
        let rate = now.gained(before, &series) / seconds;
        let is_error = series.label("status").is_some_and(|status| status >= "500");
        named(&mut functions, label(&series), &|function| {
            function.requests.requests_per_second += rate;
            function.requests.errors_per_second += if is_error { rate } else { 0.0 };
            let version = series.label("version").unwrap_or_default();
            if newer(version, &function.version) {
                function.version = version.to_owned();
            }
        });
    }
    for series in now.each("modelet_request_seconds_bucket") {
        let gained = now.gained(before, &series);
        let bound = series.label("le").and_then(|le| le.parse().ok());
        named(&mut functions, label(&series), &|function| {
            function.requests.took.add(bound.unwrap_or(f64::INFINITY), gained);
        });
    }
    for series in now.each("modelet_instances") {
        let is_busy = series.label("state") == Some("busy");
        named(&mut functions, series.label("function").unwrap_or_default().to_owned(), &|function| {
            *(if is_busy { &mut function.busy } else { &mut function.idle }) += series.value;
        });
    }
    functions.values_mut().for_each(|function| function.requests.tell());
    functions
}

fn server<'a>(before: &Scrape, now: &Scrape, functions: impl Iterator<Item = &'a Function>) -> Server {
    let seconds = now.seconds_since(before);
    let rate_if = |name, is_meant: &dyn Fn(&Series<'_>) -> bool| {
        let some = now.each(name).filter(is_meant);
        // Not `sum`: that of nothing is -0.0.
        some.fold(0.0, |sum, series| sum + now.gained(before, &series)) / seconds
    };
    let rate = |name| rate_if(name, &|_| true);
    let level = |level| now.labelled("modelet_functions", ("level", level));
    let cold = |level| rate_if("modelet_cold_starts_total", &|series| series.label("level") == Some(level));
    let arena = |state| {
        let has_arena = now.sum("modelet_inference_arena_bytes").is_some();
        has_arena.then(|| now.labelled("modelet_inference_arena_bytes", ("state", state)))
    };
    let mut all = Server {
        rejected_per_second: rate("modelet_rejected_total"),
        resident_bytes: now.sum("process_resident_memory_bytes"),
        cores: now.sum("process_cpu_seconds_total").map(|_| rate("process_cpu_seconds_total")),
        levels: Levels { disk: level("disk"), component: level("component"), warm: level("warm"), busy: level("busy") },
        cold_starts_per_second: ColdStarts {
            component: cold("component"),
            instance: cold("instance"),
            model: cold("model"),
        },
        warm_bytes: now.sum("modelet_warm_bytes").unwrap_or(0.0),
        warm_bytes_max: now.sum("modelet_warm_bytes_max").unwrap_or(0.0),
        models_bytes: arena("in_use"),
        models_bytes_max: arena("max"),
        ..Server::default()
    };
    for function in functions {
        all.instances_busy += function.busy;
        all.instances_idle += function.idle;
        all.requests.requests_per_second += function.requests.requests_per_second;
        all.requests.errors_per_second += function.requests.errors_per_second;
        for (bound, count) in &function.requests.took.0 {
            all.requests.took.add(*bound, *count);
        }
    }
    all.requests.tell();
    all
}

fn models(before: &Scrape, now: &Scrape) -> BTreeMap<String, Model> {
    let seconds = now.seconds_since(before);
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    let mut each = |name, change: &dyn Fn(&mut Model, &Series<'_>)| {
        for series in now.each(name) {
            let Some(label) = series.label("model") else { continue };
            let new = || Model { model: label.to_owned(), ..Model::default() };
            change(models.entry(label.to_owned()).or_insert_with(new), &series);
        }
    };
    each("modelet_model_requests_total", &|model, series| {
        model.calls_per_second += now.gained(before, series) / seconds;
    });
    each("modelet_queue_depth", &|model, series| model.waiting += series.value);
    each("modelet_sessions", &|model, series| model.sessions += series.value);
    each("modelet_model_resident_bytes", &|model, series| {
        model.resident_bytes += series.value;
        if let Some(device) = series.label("device").filter(|_| series.value > 0.0) {
            model.devices.push(device.to_owned());
        }
    });
    models
}

impl Requests {
    /// The latencies of what was counted.
    fn tell(&mut self) {
        self.p50_ms = self.took.quantile(0.5).map(|seconds| seconds * 1e3);
        self.p99_ms = self.took.quantile(0.99).map(|seconds| seconds * 1e3);
    }
}

impl Buckets {
    /// So many durations were no longer than `bound`: Prometheus's buckets hold those before them.
    fn add(&mut self, bound: f64, count: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((bound, count)),
        }
    }

    /// What `share` of the durations stay within, in seconds; within a bucket they are taken for evenly spread. A duration
    /// beyond the last bound counts as that bound.
    fn quantile(&self, share: f64) -> Option<f64> {
        let mut buckets = self.0.clone();
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (_, all) = buckets.last().filter(|(_, all)| *all > 0.5)?;
        let (wanted, mut below) = (all * share, (0.0, 0.0));
        for (bound, count) in &buckets {
            if *count >= wanted {
                let part = (wanted - below.1) / (count - below.1).max(f64::MIN_POSITIVE);
                return Some(if bound.is_finite() { below.0 + (bound - below.0) * part } else { below.0 });
            }
            below = (*bound, *count);
        }
        None
    }
}

/// A function's name as the other metrics have it: with its owner before it, unless that is the tenant who is always there.
fn label(series: &Series<'_>) -> String {
    let of = |name| series.label(name).unwrap_or_default();
    let (tenant, function) = (of("tenant"), of("function"));
    if tenant.is_empty() || tenant == TenantName::default_tenant().as_str() {
        function.to_owned()
    } else {
        format!("{tenant}/{function}")
    }
}

fn owner(label: &str) -> String {
    label.split_once('/').map_or_else(|| TenantName::default_tenant().to_string(), |(owner, _)| owner.to_owned())
}

/// Versions are numbers.
fn newer(version: &str, than: &str) -> bool {
    version.parse::<u64>().unwrap_or(0) > than.parse::<u64>().unwrap_or(0)
}

#[cfg(test)]
mod tests;
