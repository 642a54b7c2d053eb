//! The engine: wasmtime, what is linked into guests, and the functions made from components.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use modelet_spec::manifest::{BatchRule, Instances};
use modelet_spec::outbound::OutboundRules;
use modelet_spec::{EffectiveLimits, Flow, FunctionName, ServerLimits, TenantName, Version};
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::error::{CompileError, EngineError, LoadError};
use crate::function::Function;
use crate::inspect::{HANDLER, Inspection};
use crate::metrics::{Counters, EngineStats};
use crate::pool::Pool;
use crate::ports::{KeyValue, Log, Models, NoKeyValue, NoOutbound, Outbound, Times};
use crate::state::GuestState;
use crate::ticker::Ticker;
use crate::{code, host, inspect, settings, ticker};

/// What the engine is made with.
#[derive(Clone)]
pub struct EngineConfig {
    /// The operator's ceilings; the pooling allocator's totals come from them.
    pub limits: ServerLimits,
    /// Keeps what functions keep.
    pub keyvalue: Arc<dyn KeyValue>,
    /// Sends what functions send.
    pub outbound: Arc<dyn Outbound>,
    /// The steps in which a guest's clocks go: what it measures is no finer. Zero: as fine as the machine's.
    pub clock_step: Duration,
}

impl Default for EngineConfig {
    /// The default limits, nothing kept, nothing that leaves, exact clocks.
    fn default() -> Self {
        Self {
            limits: ServerLimits::default(),
            keyvalue: Arc::new(NoKeyValue),
            outbound: Arc::new(NoOutbound),
            clock_step: Duration::ZERO,
        }
    }
}

/// Compiles components and makes functions of them. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    linker: Arc<Linker<GuestState>>,
    id: Arc<str>,
    component_max: u64,
}

/// What functions, the ticker and the engine share.
pub(crate) struct Shared {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ticker: Ticker,
    pub(crate) keyvalue: Arc<dyn KeyValue>,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) clock_step: Duration,
    times: OnceLock<Arc<dyn Times>>,
    pools: Mutex<Vec<Weak<Pool>>>,
}

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
    pub config: Arc<BTreeMap<String, String>>,
    /// Whom it may call.
    pub outbound: OutboundRules,
    /// Takes the lines it writes.
    pub log: Arc<dyn Log>,
}

impl Engine {
    /// Starts the engine and its ticker thread.
    ///
    /// # Errors
    /// When the address space for the pool cannot be reserved, or the platform lacks what wasmtime needs.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let wasmtime = wasmtime::Engine::new(&settings::config(&config.limits))?;
        let mut linker = Linker::new(&wasmtime);
        host::link(&mut linker)?;
        let mut hash = DefaultHasher::new();
        wasmtime.precompile_compatibility_hash().hash(&mut hash);
        let id = format!("wasmtime-48-{:016x}", hash.finish());
        let shared = Arc::new(Shared {
            wasmtime,
            counters: Arc::new(Counters::default()),
            ticker: Ticker::default(),
            keyvalue: config.keyvalue,
            outbound: config.outbound,
            clock_step: config.clock_step,
            times: OnceLock::new(),
            pools: Mutex::new(Vec::new()),
        });
        ticker::start(&shared).map_err(|error| EngineError { message: format!("its ticker thread: {error}") })?;
        Ok(Self { shared, linker: Arc::new(linker), id: id.into(), component_max: config.limits.component_bytes.0 })
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

    /// Compiles a component: tenths of a second to many seconds of CPU, so call it where blocking is allowed.
    ///
    /// # Errors
    /// When the bytes are no component, too many, built for another world, or import what is not offered.
    pub fn compile(&self, wasm: &[u8]) -> Result<Compiled, CompileError> {
        let bytes = wasm.len() as u64;
        if bytes > self.component_max {
            return Err(CompileError::TooLarge { bytes, limit: self.component_max });
        }
        let inspection = inspect::inspect(wasm)?;
        if !inspection.refused.is_empty() {
            return Err(CompileError::Imports(inspection.refused));
        }
        if !inspection.exports.iter().any(|name| name.starts_with(HANDLER)) {
            return Err(CompileError::NoHandler { exports: inspection.exports });
        }
        let code = self.shared.wasmtime.precompile_component(wasm);
        let code = code.map_err(|error| CompileError::Invalid(format!("{error:#}")))?;
        Ok(Compiled { code, inspection })
    }

    /// Makes a function of compiled code, linking it.
    ///
    /// `code` must be what [`Self::compile`] returned, verified by its digest on these very bytes: it is machine code.
    ///
    /// # Errors
    /// When the code is another engine's, or what it imports is not what is linked.
    pub fn load(&self, code: &[u8], spec: FunctionSpec) -> Result<Arc<Function>, LoadError> {
        let component =
            code::component(&self.shared.wasmtime, code).map_err(|error| LoadError::Stale(format!("{error:#}")))?;
        fits(&component, &spec.limits)?;
        let link = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
        let pre = ProxyPre::new(self.linker.instantiate_pre(&component).map_err(link)?).map_err(link)?;
        Ok(Arc::new(Function::new(pre, spec, self.shared.clone())))
    }

    /// Tells `times` of what invocations spend their time on, from now on. The first one given stays.
    pub fn tell(&self, times: Arc<dyn Times>) {
        let _ = self.shared.times.set(times);
    }

    /// How many instances live now.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        self.shared.counters.read()
    }
}

/// Refuses at deploy what could not be instantiated at any request.
fn fits(component: &Component, limits: &EffectiveLimits) -> Result<(), LoadError> {
    let Some(needs) = component.resources_required() else {
        return Ok(());
    };
    let memory = needs.max_initial_memory_size.unwrap_or(0);
    if memory > limits.memory {
        let limit = limits.memory;
        return Err(LoadError::Limits(format!("its memory begins with {memory} bytes, the limit is {limit}")));
    }
    let table = needs.max_initial_table_size.unwrap_or(0);
    if table > limits.table_elements {
        let limit = limits.table_elements;
        return Err(LoadError::Limits(format!("its table begins with {table} elements, the limit is {limit}")));
    }
    Ok(())
}

impl Shared {
    /// Who hears of times; `None`: nobody.
    pub(crate) fn times(&self) -> Option<&dyn Times> {
        self.times.get().map(|times| &**times)
    }

    /// Lets the sweep see a function's pool for as long as it lives.
    pub(crate) fn watch(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Puts away what has been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.pools().iter().for_each(|pool| pool.sweep(now));
    }

    /// Puts all idle instances away. Returns whether there were any.
    pub(crate) fn make_room(&self) -> bool {
        self.pools().iter().map(|pool| pool.clear()).sum::<usize>() > 0
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }
}
