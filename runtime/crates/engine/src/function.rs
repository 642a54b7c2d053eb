//! A function that can be invoked: a linked component with its limits, its permits and its warm instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::admit::{AdmitError, Permit, Permits};
use crate::engine::{FunctionSpec, Shared};
use crate::metrics::Counters;
use crate::pool::Pool;
use crate::ports::{ColdStart, Place, Stage, TurnedAway};
use crate::state::{GuestState, Waited};

/// One version of a function, ready to be invoked. Dropping the last handle puts its idle instances away.
pub struct Function {
    pre: ProxyPre<GuestState>,
    spec: FunctionSpec,
    place: Arc<Place>,
    permits: Permits,
    pool: Arc<Pool>,
    shared: Arc<Shared>,
    busy: AtomicUsize,
}

impl Function {
    pub(crate) fn new(pre: ProxyPre<GuestState>, spec: FunctionSpec, shared: Arc<Shared>) -> Self {
        let permits = Permits::new(spec.limits.concurrency, spec.limits.queue);
        let pool = Arc::new(Pool::new(spec.instances.idle, shared.counters.clone()));
        shared.watch(&pool);
        let place = Arc::new(place(&spec));
        Self { pre, spec, place, permits, pool, shared, busy: AtomicUsize::new(0) }
    }

    /// What the function was loaded with.
    #[must_use]
    pub fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// Waits for the right to run one invocation, not longer than `deadline`.
    ///
    /// # Errors
    /// When the function's queue is full or the deadline passes.
    pub async fn admit(&self, deadline: Instant) -> Result<Permit, AdmitError> {
        self.permits.admit(deadline).await
    }

    /// How many instances answer a request, and how many are warm and idle.
    #[must_use]
    pub fn instances(&self) -> (usize, usize) {
        (self.busy.load(Ordering::Relaxed), self.pool.len())
    }

    /// A guest starts.
    pub(crate) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.busy.fetch_add(1, Ordering::SeqCst);
        self.shared.ticker.wake();
    }

    /// A guest has stopped.
    pub(crate) fn end(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.shared.counters.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Tells what an invocation has waited for models; most wait for none.
    pub(crate) fn tell_waited(&self, waited: Waited) {
        let Some(times) = self.shared.times() else { return };
        if !waited.infer.is_zero() {
            times.stage(Stage::Infer, waited.infer);
        }
        if waited.loads > 0 {
            times.stage(Stage::Load, waited.load);
            self.tell_cold_start(ColdStart::Model, waited.load);
        }
        let tenant = &self.spec.tenant;
        (0..waited.queue_full).for_each(|_| times.turned_away(tenant, TurnedAway::Queue));
        (0..waited.memory_full).for_each(|_| times.turned_away(tenant, TurnedAway::Memory));
    }

    /// Tells that something was not there.
    pub(crate) fn tell_cold_start(&self, level: ColdStart, took: Duration) {
        if let Some(times) = self.shared.times() {
            times.cold_start((&self.spec.tenant, &self.spec.function), level, took);
        }
    }

    pub(crate) fn pre(&self) -> &ProxyPre<GuestState> {
        &self.pre
    }

    /// Who calls out of its guests.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }
}

fn place(spec: &FunctionSpec) -> Place {
    Place {
        tenant: spec.tenant.clone(),
        function: spec.function.clone(),
        keyvalue: spec.limits.keyvalue,
        rules: spec.outbound.clone(),
        outbound: spec.limits.outbound,
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Function({}/{}@{})", self.spec.tenant, self.spec.function, self.spec.version)
    }
}
