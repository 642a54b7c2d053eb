//! The engine: wasmtime, what is linked into guests, and the functions made from components.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use modelet_spec::manifest::{BatchRule, Instances};
use modelet_spec::outbound::OutboundRules;
use modelet_spec::{Digest, EffectiveLimits, Flow, FunctionName, ServerLimits, TenantName, Version};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admit::Tenants;
use crate::error::{CompileError, EngineError, LoadError};
use crate::function::Function;
use crate::inspect::Inspection;
use crate::keeper::Keeper;
use crate::ladder::Ladder;
use crate::lane::Lane;
use crate::linked::Shelf;
use crate::metrics::{Counters, EngineStats};
use crate::ports::{
    Code, CodeImage, KeyValue, Log, Memory, Models, NoKeyValue, NoLog, NoModels, NoOutbound, Outbound, Pressure,
    Settings, Times,
};
use crate::rate::Rates;
use crate::ticker::Ticker;
use crate::world::{Offer, Offers};
use crate::{compiler, inspect, keeper, ticker};

/// Components that are brought into memory at a time. Each takes a thread that reads the disk, and may compile.
const LOADS_MAX: usize = 4;

/// Idle instances that go when there is no room for another.
const ROOM_INSTANCES: usize = 16;

/// What the engine is made with.
#[derive(Clone)]
pub struct EngineConfig {
    /// The operator's ceilings; the pooling allocator's totals and the room for what is kept warm come from them.
    pub limits: ServerLimits,
    /// How long a component stays in memory after its last instance has gone. Half a second at least.
    pub component_idle: Duration,
    /// Tells when the machine is short of memory; nobody does by default.
    pub memory: Option<Arc<dyn Memory>>,
    /// Keeps what functions keep.
    pub keyvalue: Arc<dyn KeyValue>,
    /// Sends what functions send.
    pub outbound: Arc<dyn Outbound>,
    /// The steps in which a guest's clocks go: what it measures is no finer. Zero: as fine as the machine's.
    pub clock_step: Duration,
    /// Whether functions of `wasi:http` 0.3 are served. Nobody gives security fixes of it before the next release of wasmtime.
    pub wasi_http_03: bool,
}

impl Default for EngineConfig {
    /// The default limits, nobody who tells of memory, nothing kept, nothing that leaves, exact clocks, `wasi:http` 0.2 alone.
    fn default() -> Self {
        Self {
            limits: ServerLimits::default(),
            component_idle: Duration::from_secs(300),
            memory: None,
            keyvalue: Arc::new(NoKeyValue),
            outbound: Arc::new(NoOutbound),
            clock_step: Duration::ZERO,
            wasi_http_03: false,
        }
    }
}

/// Compiles components and makes functions of them. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    id: Arc<str>,
    component_max: u64,
}

/// What functions, the threads and the engine share.
pub(crate) struct Shared {
    pub(crate) offers: Arc<Offers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ticker: Ticker,
    pub(crate) keeper: Keeper,
    pub(crate) shelf: Shelf,
    pub(crate) ladder: Ladder,
    pub(crate) lane: Lane,
    pub(crate) tenants: Tenants,
    pub(crate) rates: Rates,
    /// Turns for bringing components into memory.
    pub(crate) loads: Arc<Semaphore>,
    /// Where instances are made that nobody waits for; known once some are to be kept warm.
    pub(crate) runtime: OnceLock<Handle>,
    /// Instances of all functions together.
    pub(crate) instances_total: u32,
    /// Invocations of all functions together.
    pub(crate) concurrency_total: u32,
    memory: Option<Arc<dyn Memory>>,
    pub(crate) keyvalue: Arc<dyn KeyValue>,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) clock_step: Duration,
    times: OnceLock<Arc<dyn Times>>,
    pools: AtomicU64,
}

/// A guest runs, or is made: the epoch advances until the guard is dropped.
pub(crate) struct Ticking<'a>(&'a Shared);

/// A compiled component.
pub struct Compiled {
    /// Machine code for this engine and no other: see [`Engine::id`].
    pub code: Vec<u8>,
    /// What the component asks for and offers.
    pub inspection: Inspection,
}

/// What a function is made with, beside its code.
pub struct FunctionSpec {
    /// Its owner.
    pub tenant: TenantName,
    /// Its name.
    pub function: FunctionName,
    /// Its version.
    pub version: Version,
    /// What it may use.
    pub limits: EffectiveLimits,
    /// How its instances live.
    pub instances: Instances,
    /// What inference sees of it.
    pub flow: Flow,
    /// The models its manifest names.
    pub models: Arc<dyn Models>,
    /// How its calls to each of them may be joined with others'; none are, where nothing is said.
    pub batch: Arc<BTreeMap<String, BatchRule>>,
    /// `wasi:config` values.
    pub config: Arc<Settings>,
    /// Whom it may call.
    pub outbound: OutboundRules,
    /// Takes the lines it writes.
    pub log: Arc<dyn Log>,
}

impl FunctionSpec {
    /// A function of the default tenant, in its first version, that has its limits and nothing else: no models, settings, outbound calls or
    /// log.
    #[must_use]
    pub fn new(function: FunctionName, limits: EffectiveLimits) -> Self {
        Self {
            tenant: TenantName::default_tenant(),
            function,
            version: Version::FIRST,
            limits,
            instances: Instances::default(),
            flow: Flow::new(1, 1),
            models: Arc::new(NoModels),
            batch: Arc::default(),
            config: Arc::default(),
            outbound: OutboundRules::default(),
            log: Arc::new(NoLog),
        }
    }
}

impl Engine {
    /// Starts the engine and its two threads.
    ///
    /// # Errors
    /// When the address space for the pool cannot be reserved, or the platform lacks what wasmtime needs.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let EngineConfig { limits, component_idle, memory, keyvalue, outbound, clock_step, wasi_http_03 } = config;
        let offers = Arc::new(Offers::new(&limits, wasi_http_03)?);
        let id = compiler::id(&offers.proxy.wasmtime);
        let shared = Arc::new(Shared {
            counters: Arc::new(Counters::default()),
            ticker: Ticker::default(),
            keeper: Keeper::default(),
            shelf: Shelf::new(Arc::clone(&offers)),
            ladder: Ladder::new(limits.warm_memory.0, component_idle),
            lane: Lane::default(),
            tenants: Tenants::default(),
            rates: Rates::default(),
            loads: Arc::new(Semaphore::new(LOADS_MAX)),
            runtime: OnceLock::new(),
            instances_total: limits.instances_total,
            concurrency_total: limits.concurrency_total,
            offers,
            memory,
            keyvalue,
            outbound,
            clock_step,
            times: OnceLock::new(),
            pools: AtomicU64::new(0),
        });
        let no_thread = |error| EngineError { message: format!("one of its threads: {error}") };
        ticker::start(&shared).map_err(no_thread)?;
        keeper::start(&shared).map_err(no_thread)?;
        Ok(Self { shared, id: id.into(), component_max: limits.component_bytes.0 })
    }

    /// Names the engine's version and settings. Compiled code fits only the engine with the same id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What a component asks for and offers, without compiling it.
    ///
    /// # Errors
    /// When the bytes are no component.
    pub fn inspect(&self, wasm: &[u8]) -> Result<Inspection, CompileError> {
        inspect::inspect(wasm)
    }

    /// What a component asks for and offers, if it is one that can be compiled here: neither too large nor too intricate, for
    /// a world that is served, and with no import that is not offered.
    ///
    /// # Errors
    /// What of these it is not.
    pub fn check(&self, wasm: &[u8]) -> Result<Inspection, CompileError> {
        let bytes = wasm.len() as u64;
        if bytes > self.component_max {
            return Err(CompileError::TooLarge { bytes, limit: self.component_max });
        }
        let inspection = inspect::inspect(wasm)?;
        self.shared.offers.find(&inspection)?;
        Ok(inspection)
    }

    /// Checks and compiles a component in this process: tenths of a second to many seconds of CPU, so call it where blocking is
    /// allowed. Who does not know where the component comes from has a [`Compiler`](crate::Compiler) in another process do it.
    ///
    /// # Errors
    /// When the bytes are no component, too many, built for a world that is not served, or import what is not offered.
    pub fn compile(&self, wasm: &[u8]) -> Result<Compiled, CompileError> {
        let inspection = self.check(wasm)?;
        let code = compiler::compile(&self.shared.offers.find(&inspection)?.wasmtime, wasm)?;
        Ok(Compiled { code, inspection })
    }

    /// Makes a function whose code stays where it is until somebody calls it ([`Function::wake`] asks for it before). Costs a few
    /// hundred bytes.
    #[must_use]
    pub fn function(&self, code: Arc<dyn Code>, spec: FunctionSpec) -> Arc<Function> {
        Arc::new(Function::new(code, spec, self.shared.clone(), true))
    }

    /// The same for calls that nobody made: nothing of it is told to [`Times`], its guests find no key-value store, and nothing leaves
    /// them.
    #[must_use]
    pub fn rehearsal(&self, code: Arc<dyn Code>, spec: FunctionSpec) -> Arc<Function> {
        Arc::new(Function::new(code, spec, self.shared.clone(), false))
    }

    /// Makes a function of compiled code in memory, linking it at once. Blocks for as long as that takes.
    ///
    /// `code` must be what [`Self::compile`] returned: it is machine code.
    ///
    /// # Errors
    /// When the code is another engine's, or what it imports is not what is linked.
    pub fn load(&self, code: &[u8], spec: FunctionSpec) -> Result<Arc<Function>, LoadError> {
        let image = CodeImage::Bytes { bytes: code.into(), digest: Digest::of(code) };
        let function = self.function(Arc::new(InMemory(image)), spec);
        function.load()?;
        Ok(function)
    }

    /// Tells `times` of what invocations spend their time on, from now on. The first one given stays.
    pub fn tell(&self, times: Arc<dyn Times>) {
        let _ = self.shared.times.set(times);
    }

    /// What lives now.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let (functions_awake, warm_bytes, warm_bytes_max) = self.shared.ladder.stats();
        let gone = self.shared.ladder.gone();
        let in_pool = |offer: &Offer| Some(offer.wasmtime.pooling_allocator_metrics()?.component_instances());
        EngineStats {
            instances_in_fullest_pool: self.shared.offers.all().filter_map(in_pool).max().unwrap_or(0),
            functions_awake,
            components: self.shared.shelf.len() as u64,
            warm_bytes,
            warm_bytes_max,
            gone_idle: gone.idle.load(Ordering::Relaxed),
            gone_for_room: gone.room.load(Ordering::Relaxed),
            gone_under_pressure: gone.pressure.load(Ordering::Relaxed),
            ..self.shared.counters.read()
        }
    }

    /// Goes once through all that is in memory and lets go of what nobody uses; a thread does that from time to time.
    pub fn sweep(&self) {
        keeper::round(&self.shared);
    }
}

/// Code that lies nowhere else.
struct InMemory(CodeImage);

impl Code for InMemory {
    fn find(&self) -> Result<CodeImage, LoadError> {
        Ok(self.0.clone())
    }

    fn remake(&self) -> Result<CodeImage, LoadError> {
        Err(LoadError::Stale("it was given as it is".to_owned()))
    }
}

impl Shared {
    /// Who hears of times; `None`: nobody.
    pub(crate) fn times(&self) -> Option<&dyn Times> {
        self.times.get().map(|times| &**times)
    }

    /// How short of memory the machine is.
    pub(crate) fn pressure(&self) -> Pressure {
        self.memory.as_ref().map_or(Pressure::None, |memory| memory.pressure())
    }

    /// A number that no other pool has.
    pub(crate) fn pool_id(&self) -> u64 {
        self.pools.fetch_add(1, Ordering::Relaxed)
    }

    /// Puts some idle instances away, of whatever function. Returns whether there were any.
    pub(crate) fn make_room(&self) -> bool {
        self.ladder.make_room(ROOM_INSTANCES)
    }

    /// Has the epoch advance.
    pub(crate) fn ticking(&self) -> Ticking<'_> {
        self.begin();
        Ticking(self)
    }

    /// A guest starts.
    pub(crate) fn begin(&self) {
        self.counters.busy.fetch_add(1, Ordering::SeqCst);
        self.ticker.wake();
    }

    /// A guest has stopped.
    pub(crate) fn end(&self) {
        self.counters.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
