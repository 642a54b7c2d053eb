//! The runtime: ONNX Runtime's one environment in this process, its worker threads, and the models loaded in it.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use modelet_spec::{Device, DeviceWish};
use prometheus_client::registry::Registry;

use crate::counters::AllCounters;
use crate::device::{AbsentDevice, Bind, DeviceSettings, DeviceUse, Devices};
use crate::error::{LoadError, OpenError};
use crate::gauge::Loading;
use crate::library::LibrarySource;
use crate::loaders::Loaders;
use crate::metrics::ModelMetrics;
use crate::model::Model;
use crate::onnx::{self, Environment, Keeper, Session, engines};
use crate::placement::Refusal;
use crate::platform;
use crate::stop::{Limited, LoadStop};
use crate::watchdog::Watchdog;
use crate::worker::Workers;

/// ONNX Runtime has one environment per process, and `ort` cannot make it a second time.
static OPEN: Mutex<Option<Runtime>> = Mutex::new(None);

/// A device's memory for a small model to try it with.
const TRIED_BYTES: u64 = 256 << 20;

/// Below this not even the arena's first chunk and a small model fit.
const ARENA_MIN: u64 = 16 << 20;

/// How models run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// Where the library is looked for.
    pub library: LibrarySource,
    /// Bytes that the weights and tensors of all models together may take; over it, the one run or load that asked
    /// for more is refused. At least 16 MiB.
    pub arena_max_bytes: u64,
    /// Cores that all models' runs may keep busy together, and threads that run them; at least 1.
    pub workers: usize,
    /// Threads of one run, for models that do not say. `None`: one, and more for those whose long runs are measured to
    /// gain by it.
    pub intra_threads: Option<usize>,
    /// All runs share one pool of `workers` threads, and sessions have none of their own: then nothing is measured, and what
    /// models or `intra_threads` say does not count.
    pub shared_threads: bool,
    /// Sessions a model may have if it does not say. `None`: as many as there are cores, as far as memory goes.
    pub sessions_max: Option<usize>,
    /// Runs shorter than this use their caller's thread; zero: never.
    pub inline_under: Duration,
    /// Runs that may wait, per model; zero: none.
    pub queue_max: usize,
    /// Where models may run, in order of preference; each is tried when the runtime opens. At least one.
    pub devices: Vec<DeviceSettings>,
    /// When sessions run by binding.
    pub bind: Bind,
    /// Where TensorRT may keep what it has compiled. `None`: it compiles at each load.
    pub engine_cache: Option<PathBuf>,
    /// Threads that load further sessions of models; at least 1.
    pub loaders: usize,
    /// A load that takes longer is ended.
    pub load_max: Duration,
}

impl Default for RuntimeConfig {
    /// 2 GiB, a worker per core, 100 µs, 256 waiting, 2 loaders, 2 minutes for a load; no place for the library.
    fn default() -> Self {
        Self {
            library: LibrarySource::default(),
            arena_max_bytes: 2 << 30,
            workers: cores(),
            intra_threads: None,
            shared_threads: false,
            sessions_max: None,
            inline_under: Duration::from_micros(100),
            queue_max: 256,
            devices: vec![DeviceSettings { wish: DeviceWish::default(), memory_max: 2 << 30 }],
            bind: Bind::default(),
            engine_cache: None,
            loaders: 2,
            load_max: Duration::from_secs(120),
        }
    }
}

/// A handle to the open runtime; clones are the same runtime.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

/// What the runtime holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeStats {
    /// Sessions of all models, idle and busy.
    pub sessions: usize,
    /// Sessions in use.
    pub sessions_busy: usize,
    /// Runs that wait for a session.
    pub queued: usize,
    /// Runs since the runtime was opened, failed ones too.
    pub runs: u64,
    /// Cores that runs on workers keep busy now, and the most that they ever did.
    pub cores_busy: (usize, usize),
    /// Bytes of live weights and tensors in the arena, if ONNX Runtime tells.
    pub arena_in_use: Option<u64>,
    /// Bytes that the arena has taken from the system so far; it keeps them for later runs.
    pub arena_reserved: Option<u64>,
    /// Bytes that the arena may take.
    pub arena_max: u64,
}

/// What all models of the runtime use.
pub(crate) struct Shared {
    pub(crate) environment: Environment,
    pub(crate) devices: Devices,
    pub(crate) config: RuntimeConfig,
    library: PathBuf,
    pub(crate) workers: Arc<Workers>,
    pub(crate) loaders: Arc<Loaders>,
    pub(crate) watchdog: Watchdog,
    /// One model's threads are being compared.
    pub(crate) is_tuning: AtomicBool,
    /// Loaded sessions of all models.
    pub(crate) sessions: AtomicUsize,
    pub(crate) runs: AtomicU64,
    pub(crate) counters: AllCounters,
    pub(crate) loading: Loading,
    keeper: Option<Keeper>,
    models: Mutex<Vec<Weak<Model>>>,
}

impl Runtime {
    /// Finds and loads the library and opens the environment. Opening again with the same settings gives the same
    /// runtime; it stays open until the process ends.
    ///
    /// # Errors
    /// See [`OpenError`]; each message names the fix. After [`OpenError::Library`] and [`OpenError::Unusable`] it may be
    /// tried again.
    pub fn open(config: &RuntimeConfig) -> Result<Self, OpenError> {
        config.check()?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*open {
            let same = runtime.shared.config == *config;
            return if same { Ok(runtime.clone()) } else { Err(OpenError::AlreadyOpen) };
        }
        let path = config.library.find()?;
        let shared_threads = config.shared_threads.then_some(config.workers);
        let environment = Environment::open(&path, config.arena_max_bytes, shared_threads)?;
        // Before all other sessions, which are to have the caches that it brings.
        let keeper = Keeper::new(&environment);
        let keeper = keeper.inspect_err(|error| tracing::warn!(%error, "the arena cannot be shrunk")).ok();
        let devices = Devices::open(&config.devices, |device, memory| onnx::probe(&environment, device, memory))?;
        if let Some(cache) = &config.engine_cache {
            engines::prune(cache, engines::BYTES_MAX);
        }
        let start = |error: std::io::Error| OpenError::Start(format!("no thread: {error}"));
        let shared = Shared {
            environment,
            devices,
            config: config.clone(),
            library: path.clone(),
            workers: Workers::start(config.workers).map_err(start)?,
            loaders: Loaders::start(config.loaders).map_err(start)?,
            watchdog: Watchdog::start().map_err(start)?,
            is_tuning: AtomicBool::new(false),
            sessions: AtomicUsize::new(0),
            runs: AtomicU64::new(0),
            counters: AllCounters::default(),
            loading: Loading::default(),
            keeper,
            models: Mutex::default(),
        };
        tracing::info!(library = %path.display(), arena_max_bytes = config.arena_max_bytes, "ONNX Runtime is open");
        let runtime = Self { shared: Arc::new(shared) };
        *open = Some(runtime.clone());
        Ok(runtime)
    }

    /// What an optimised form made here depends on; one that was made elsewhere serves where the text is the same.
    #[must_use]
    pub fn form_key(&self) -> String {
        platform::form_key(ort::info(), "cpu", self.shared.config.arena_max_bytes)
    }

    /// The library's file.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.shared.library
    }

    /// What it was opened with.
    #[must_use]
    pub fn config(&self) -> &RuntimeConfig {
        &self.shared.config
    }

    /// Bytes of the largest constant that a load computes once, in a model of so many nodes: what would be larger is
    /// computed at each run.
    #[must_use]
    pub fn folded_bytes_max(&self, nodes: u64) -> u64 {
        onnx::folded_bytes_max(self.shared.config.arena_max_bytes, nodes)
    }

    /// What it holds now.
    #[must_use]
    pub fn stats(&self) -> RuntimeStats {
        let models = self.shared.live();
        RuntimeStats {
            sessions: self.shared.sessions.load(Relaxed),
            sessions_busy: models.iter().map(|model| model.sessions_busy()).sum(),
            queued: models.iter().map(|model| model.queue_depth()).sum(),
            runs: self.shared.runs.load(Relaxed),
            cores_busy: self.shared.workers.busy(),
            arena_in_use: self.shared.environment.arena_in_use(),
            arena_reserved: self.shared.environment.arena_reserved(),
            arena_max: self.shared.config.arena_max_bytes,
        }
    }

    /// How much of the arena is taken, from 0 to 1, with what threads keep for their next runs. `None`: nobody tells yet. Unlike
    /// [`Self::stats`], asking costs no run anything.
    #[must_use]
    pub fn arena_share(&self) -> Option<f64> {
        let taken = self.shared.environment.arena_taken()?;
        Some(taken as f64 / self.shared.config.arena_max_bytes.max(1) as f64)
    }

    /// Gives what the arena has free back to the system, in whole regions: to be called after models went, or after a run
    /// that needed much. Runs of other models wait for it for as long as freeing takes.
    pub fn shrink_arena(&self) {
        onnx::ffi::flush();
        if let Some(keeper) = &self.shared.keeper {
            keeper.shrink();
        }
        onnx::ffi::trim_heap();
    }

    /// The devices that are there, in order of preference.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceUse> {
        self.shared.devices.uses(self.shared.environment.arena_in_use().unwrap_or_default())
    }

    /// The devices that were named and are not there.
    #[must_use]
    pub fn absent_devices(&self) -> &[AbsentDevice] {
        self.shared.devices.absent()
    }

    /// Whether a model with this wish could be placed at all.
    ///
    /// # Errors
    /// It demands a device that is not there.
    pub fn check_device(&self, wish: Option<DeviceWish>) -> Result<(), LoadError> {
        self.shared.devices.place(wish, 0, 0).map(drop)
    }

    /// The error for a model of about `bytes` that no device has a place for.
    pub(crate) fn refuse_place(&self, refusal: Refusal, bytes: u64) -> LoadError {
        self.shared.devices.refuse(refusal, bytes)
    }

    /// Tries a device, whether it was named or not.
    ///
    /// # Errors
    /// It is not there, or does not work: the loader's or the provider's own words.
    pub fn try_device(&self, device: Device) -> Result<(), String> {
        onnx::probe(&self.shared.environment, device, TRIED_BYTES).map(drop)
    }

    /// The names of the execution providers that the library was built with, whether they work here or not.
    #[must_use]
    pub fn built_in_providers(&self) -> Vec<String> {
        onnx::built_in().unwrap_or_default()
    }

    /// Whether the arena has taken more than `slack` bytes from the system that nobody uses now.
    pub(crate) fn has_slack(&self, slack: u64) -> bool {
        let environment = &self.shared.environment;
        let held = environment.arena_reserved().zip(environment.arena_in_use());
        held.is_some_and(|(reserved, used)| reserved.saturating_sub(used) > slack)
    }

    /// Adds the metrics of this crate to a registry; see `metrics.rs` for their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(ModelMetrics::new(self.clone())));
    }

    #[cfg(test)]
    pub(crate) fn environment(&self) -> (&Environment, &ort::memory::MemoryInfo<'static>) {
        (&self.shared.environment, &self.shared.environment.memory)
    }

    /// The models that are loaded now.
    pub(crate) fn models(&self) -> Vec<Arc<Model>> {
        self.shared.live()
    }
}

impl Shared {
    /// Counts a new session and puts it under the watchdog's eyes.
    pub(crate) fn adopt(&self, session: &Session) {
        self.sessions.fetch_add(1, Relaxed);
        self.watchdog.watch(session.control());
    }

    /// Whether no session is in use.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.live().iter().all(|model| model.sessions_busy() == 0)
    }

    /// Gives a load the time that one may take.
    pub(crate) fn limit_load<'a>(&self, stop: &'a LoadStop) -> Limited<'a> {
        let limited = stop.limit(self.config.load_max);
        self.watchdog.watch_load(stop);
        limited
    }

    /// One model more is loaded.
    pub(crate) fn remember(&self, model: &Arc<Model>) {
        self.models().push(Arc::downgrade(model));
    }

    /// The loaded models; forgets the unloaded ones.
    fn live(&self) -> Vec<Arc<Model>> {
        let mut models = self.models();
        let live: Vec<Arc<Model>> = models.iter().filter_map(Weak::upgrade).collect();
        models.retain(|model| model.strong_count() > 0);
        live
    }

    fn models(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Model>>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RuntimeConfig {
    fn check(&self) -> Result<(), OpenError> {
        let fault = |setting, value: String, fix| Err(OpenError::Setting { setting, value, fix });
        if self.arena_max_bytes < ARENA_MIN {
            return fault("arena_max_bytes", self.arena_max_bytes.to_string(), "at least 16 MiB are needed");
        }
        if self.workers == 0 || self.workers > 1024 {
            return fault("workers", self.workers.to_string(), "1 to 1024 are allowed");
        }
        if self.loaders == 0 || self.loaders > 64 {
            return fault("loaders", self.loaders.to_string(), "1 to 64 are allowed");
        }
        for (setting, value) in [("intra_threads", self.intra_threads), ("sessions_max", self.sessions_max)] {
            if let Some(value) = value.filter(|value| *value == 0 || *value > 1024) {
                return fault(setting, value.to_string(), "1 to 1024 are allowed");
            }
        }
        if self.devices.is_empty() {
            return fault("devices", "empty".to_owned(), "at least one device is needed, such as cpu");
        }
        Ok(())
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
