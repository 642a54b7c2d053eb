//! What the host keeps for one instance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use modelet_inference::{LoadError, RunError};
use modelet_spec::manifest::BatchRule;
use modelet_spec::{EffectiveLimits, Flow, InvocationId};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::function::Function;
use crate::host::clocks;
use crate::host::http::Hooks;
use crate::host::log::{GuestLog, GuestStream};
use crate::limiter::{Allowed, Limiter};
use crate::metrics::Counters;
use crate::ports::{KeyValue, Models, Place, Settings, Stream};
use crate::shared::Turns;

/// The data of a store. One per instance, used for one invocation at a time.
pub(crate) struct GuestState {
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) models: Arc<dyn Models>,
    pub(crate) batch: Arc<BTreeMap<String, BatchRule>>,
    pub(crate) config: Arc<Settings>,
    pub(crate) place: Arc<Place>,
    pub(crate) keyvalue: Arc<dyn KeyValue>,
    pub(crate) flow: Flow,
    pub(crate) deadline: Instant,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Arc<GuestLog>,
    /// What this invocation has waited for models.
    pub(crate) waited: Waited,
    /// An answer by `wasi:http` 0.3 is on its way: its body is not at its end.
    pub(crate) answering: bool,
    /// What the fields of one message may come to, in bytes.
    pub(crate) header_bytes: usize,
    /// Those whose requests it has at a time; `None`: only one's.
    pub(crate) turns: Option<Box<Turns>>,
    log_bytes: u64,
}

/// Time of one invocation that went to models.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Waited {
    /// Until they were in memory.
    pub(crate) load: Duration,
    /// How often they were not, for this function's owner.
    pub(crate) loads: u32,
    /// Until they answered.
    pub(crate) infer: Duration,
    /// Calls that found no place in a model's queue.
    pub(crate) queue_full: u32,
    /// Calls whose model found no memory.
    pub(crate) memory_full: u32,
}

impl Waited {
    /// A model was asked for at `asked` and is there now.
    pub(crate) fn load(&mut self, is_load: bool, asked: Instant) {
        if is_load {
            self.loads = self.loads.saturating_add(1);
            self.load += asked.elapsed();
        }
    }

    /// Keeps why there was no model.
    pub(crate) fn no_model(&mut self, error: &LoadError) {
        if matches!(error, LoadError::Busy { .. } | LoadError::TooLarge(_)) {
            self.memory_full = self.memory_full.saturating_add(1);
        }
    }

    /// Keeps why there was no answer.
    pub(crate) fn no_answer(&mut self, error: &RunError) {
        if matches!(error, RunError::Busy { .. }) {
            self.queue_full = self.queue_full.saturating_add(1);
        }
    }
}

impl GuestState {
    /// A state without arguments, variables, files, sockets or input.
    pub(crate) fn new(function: &Function, invocation: InvocationId) -> Self {
        let (spec, shared) = (function.spec(), function.shared());
        let limits = &spec.limits;
        let log = Arc::new(GuestLog::new(spec.log.clone(), invocation));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resources);
        let (memory, table_elements, tensors) = (limits.memory, limits.table_elements, limits.tensor_bytes);
        let allowed = Allowed { memory, table: table_elements, tensors };
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.header_bytes);
        Self {
            wasi: wasi(&log, limits, shared.clock_step),
            http,
            hooks: Hooks::new(function, &log),
            table,
            limiter: Limiter::new(allowed),
            models: spec.models.clone(),
            batch: spec.batch.clone(),
            config: spec.config.clone(),
            place: function.place().clone(),
            keyvalue: function.keyvalue(),
            flow: spec.flow,
            deadline: Instant::now(),
            counters: function.counters().clone(),
            log,
            waited: Waited::default(),
            answering: false,
            header_bytes: limits.header_bytes,
            turns: None,
            log_bytes: limits.log_bytes,
        }
    }

    /// What each invocation may write to its log.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// Makes the state that of this invocation.
    pub(crate) fn begin(&mut self, invocation: InvocationId, deadline: Instant) {
        self.deadline = deadline;
        self.hooks.deadline = deadline;
        self.hooks.calls = 0;
        self.flow.deadline = Some(deadline);
        self.waited = Waited::default();
        self.log.begin(invocation, self.log_bytes);
        self.limiter.take_refused();
    }
}

fn wasi(log: &Arc<GuestLog>, limits: &EffectiveLimits, clock_step: Duration) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(GuestStream { log: log.clone(), stream: Stream::Out })
        .stderr(GuestStream { log: log.clone(), stream: Stream::Err })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(limits.random_bytes);
    clocks::coarsen(&mut wasi, clock_step);
    wasi.build()
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}
