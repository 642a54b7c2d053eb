//! A function that can be invoked: its limits, its permits, and where its code is. In memory only while it is asked.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::admit::{AdmitError, Permit, Permits};
use crate::engine::{FunctionSpec, Shared};
use crate::metrics::Counters;
use crate::pool::Seat;
use crate::ports::{Code, ColdStart, KeyValue, NoKeyValue, NoOutbound, Outbound, Place, Stage, Times, TurnedAway};
use crate::rate::Rate;
use crate::spans::Spans;
use crate::state::Waited;
use crate::wake::Flight;
use crate::world::World;

/// One version of a function, ready to be invoked. Dropping the last handle puts its idle instances away.
pub struct Function {
    spec: FunctionSpec,
    code: Arc<dyn Code>,
    place: Arc<Place>,
    permits: Permits,
    /// `None`: the tenant may have as much as the server, whose own permits are then enough.
    tenant_permits: Option<Arc<Permits>>,
    /// Most tenants have no limit of it.
    rate: Option<Arc<Rate>>,
    seat: Arc<Seat>,
    flight: Flight,
    shared: Arc<Shared>,
    /// Whether what happens is told, kept and sent: see [`Engine::rehearsal`](crate::Engine::rehearsal).
    is_real: bool,
    /// Processor time, in nanoseconds, that nobody has told of yet: of guests that were stopped from outside, and of instances that
    /// were made ahead.
    computed_ns: AtomicU64,
    /// See [`Function::beside`].
    beside: OnceLock<Arc<dyn Any + Send + Sync>>,
    world: OnceLock<World>,
}

/// How far up the ladder of warmth a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warmth {
    /// Nothing of it is in memory.
    Disk,
    /// Its component is.
    Component,
    /// An instance waits for a request.
    Warm,
    /// An instance answers one.
    Busy,
}

impl Warmth {
    /// All steps, the coldest first.
    pub const ALL: [Self; 4] = [Self::Disk, Self::Component, Self::Warm, Self::Busy];

    /// The name in metrics and listings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Component => "component",
            Self::Warm => "warm",
            Self::Busy => "busy",
        }
    }
}

impl Function {
    pub(crate) fn new(code: Arc<dyn Code>, spec: FunctionSpec, shared: Arc<Shared>, is_real: bool) -> Self {
        let permits = Permits::new(spec.limits.concurrency, spec.limits.queue);
        let of_tenant = spec.limits.concurrency_tenant;
        let tenant_permits = (of_tenant < shared.concurrency_total).then(|| shared.tenants.of(&spec.tenant, of_tenant));
        let rate = spec.limits.requests_per_second.map(|limit| shared.rates.of(&spec.tenant, limit));
        let computed_ns = AtomicU64::new(0);
        let (seat, flight) = (Arc::default(), Flight::default());
        let place = Arc::new(place(&spec));
        Self {
            spec,
            code,
            place,
            permits,
            tenant_permits,
            rate,
            seat,
            flight,
            shared,
            is_real,
            computed_ns,
            beside: OnceLock::new(),
            world: OnceLock::new(),
        }
    }

    /// What the function was loaded with.
    #[must_use]
    pub fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// What it is built to be; known since it was first in memory.
    #[must_use]
    pub fn world(&self) -> Option<World> {
        self.world.get().copied()
    }

    /// Its component was found to be built for this world.
    pub(crate) fn is_of(&self, world: World) {
        self.world.get_or_init(|| world);
    }

    /// What its caller keeps beside it: made when it is first asked for, there without a look-up afterwards, gone with the
    /// function. `None`: something of another kind is there already.
    pub fn beside<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> Arc<T>) -> Option<Arc<T>> {
        let any = self.beside.get_or_init(|| make());
        Arc::clone(any).downcast().ok()
    }

    /// Waits for the right to run one invocation, not longer than `deadline`.
    ///
    /// # Errors
    /// When the function's queue is full, its tenant has all that it may have, or the deadline passes.
    pub async fn admit(&self, deadline: Instant) -> Result<Permit, AdmitError> {
        self.permits.admit(self.tenant_permits.as_deref(), deadline).await
    }

    /// The same, if nobody has to wait for it.
    #[must_use]
    pub fn admit_now(&self) -> Option<Permit> {
        self.permits.admit_now(self.tenant_permits.as_deref())
    }

    /// Counts a request that came, before it is admitted.
    ///
    /// # Errors
    /// When its tenant is asked too often.
    pub fn arrived(&self) -> Result<(), AdmitError> {
        match &self.rate {
            Some(rate) => rate.count().map_err(|retry_after| AdmitError::Rate { retry_after }),
            None => Ok(()),
        }
    }

    /// How many instances answer a request, and how many are warm and idle.
    #[must_use]
    pub fn instances(&self) -> (usize, usize) {
        let idle = self.seat.pool().map_or(0, |pool| pool.warm.len());
        (self.seat.busy.load(Ordering::Relaxed), idle)
    }

    /// How far up the ladder it is now.
    #[must_use]
    pub fn warmth(&self) -> Warmth {
        let Some(pool) = self.seat.pool() else { return Warmth::Disk };
        match (self.seat.busy.load(Ordering::Relaxed), pool.warm.len()) {
            (0, 0) => Warmth::Component,
            (0, _) => Warmth::Warm,
            _ => Warmth::Busy,
        }
    }

    /// How many of its instances are kept warm whether or not anybody calls it.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.seat.pool().map_or(0, |pool| pool.warm.min())
    }

    /// A guest starts.
    pub(crate) fn begin(&self) {
        self.seat.busy.fetch_add(1, Ordering::Relaxed);
        self.shared.begin();
    }

    /// A guest has stopped.
    pub(crate) fn end(&self) {
        self.seat.busy.fetch_sub(1, Ordering::Relaxed);
        self.shared.end();
    }

    /// Processor time was used that no invocation tells of.
    pub(crate) fn computed(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.computed_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What [`Self::computed`] was told since this was last asked.
    pub(crate) fn take_computed(&self) -> Duration {
        // Nearly always nothing: all requests of a function share the line, so it is read first.
        let ns = match self.computed_ns.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.computed_ns.swap(0, Ordering::Relaxed),
        };
        Duration::from_nanos(ns)
    }

    /// Tells how long a part of an invocation took.
    pub(crate) fn tell_stage(&self, stage: Stage, took: Duration, spans: Option<&Spans>) {
        if let Some(times) = self.times() {
            times.stage(stage, took);
        }
        if let Some(spans) = spans {
            spans.add(stage, took);
        }
    }

    /// Tells what an invocation has waited for models; most wait for none.
    pub(crate) fn tell_waited(&self, waited: Waited, spans: Option<&Spans>) {
        if !waited.infer.is_zero() {
            self.tell_stage(Stage::Infer, waited.infer, spans);
        }
        if waited.loads > 0 {
            self.tell_stage(Stage::Load, waited.load, spans);
            self.tell_cold_start(ColdStart::Model, waited.load);
        }
        let Some(times) = self.times() else { return };
        let tenant = &self.spec.tenant;
        (0..waited.queue_full).for_each(|_| times.turned_away(tenant, TurnedAway::Queue));
        (0..waited.memory_full).for_each(|_| times.turned_away(tenant, TurnedAway::Memory));
    }

    /// Tells that something was not there.
    pub(crate) fn tell_cold_start(&self, level: ColdStart, took: Duration) {
        if let Some(times) = self.times() {
            times.cold_start((&self.spec.tenant, &self.spec.function), level, took);
        }
    }

    pub(crate) fn code(&self) -> &dyn Code {
        &*self.code
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    pub(crate) fn flight(&self) -> &Flight {
        &self.flight
    }

    /// Who calls out of its guests.
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Keeps what its guests keep.
    pub(crate) fn keyvalue(&self) -> Arc<dyn KeyValue> {
        if self.is_real { self.shared.keyvalue.clone() } else { Arc::new(NoKeyValue) }
    }

    /// Sends what its guests send.
    pub(crate) fn outbound(&self) -> Arc<dyn Outbound> {
        if self.is_real { self.shared.outbound.clone() } else { Arc::new(NoOutbound) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    fn times(&self) -> Option<&dyn Times> {
        if self.is_real { self.shared.times() } else { None }
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
        if let Some(pool) = self.seat.pool() {
            self.shared.ladder.let_go(&pool);
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Function({}/{}@{})", self.spec.tenant, self.spec.function, self.spec.version)
    }
}
