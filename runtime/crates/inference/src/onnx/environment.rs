//! ONNX Runtime's process-wide environment: the library, its log, and the arena that bounds all models' memory.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use ort::environment::{Environment as OrtEnvironment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;
use ort::memory::{AllocatorType, MemoryInfo};

use super::ffi;
use crate::error::OpenError;

/// The one environment; a clone is a handle.
#[derive(Clone)]
pub(crate) struct Environment {
    ort: OrtEnvironment,
    /// Says "in main memory" of an input; made once, it is the same for all.
    pub(crate) memory: Arc<MemoryInfo<'static>>,
    /// Bytes that all sessions together may hold.
    pub(crate) arena_max: u64,
    /// Its sessions use the environment's threads and have none of their own.
    pub(crate) has_shared_threads: bool,
    /// Known from the first session on.
    arena: Arc<OnceLock<ffi::Arena>>,
}

impl Environment {
    /// Loads the library at `path` into the process, for good.
    /// With `shared_threads`, sessions have no threads of their own and use this many together.
    pub(crate) fn open(path: &Path, arena_max: u64, shared_threads: Option<usize>) -> Result<Self, OpenError> {
        let arena_bytes = usize::try_from(arena_max).unwrap_or(usize::MAX);
        let mut builder = ort::init_from(path)
            .map_err(|error| OpenError::Unusable { path: path.to_owned(), why: error.to_string() })?;
        let start = |error: ort::Error| OpenError::Start(error.to_string());
        if let Some(threads) = shared_threads {
            builder = builder.with_global_thread_pool(shared_pool(threads).map_err(start)?);
        }
        let ort =
            builder.with_name("modelet").with_telemetry(false).with_logger(Arc::new(log)).build().map_err(start)?;
        ort.set_log_level(LogLevel::Warning);
        // TODO-hardening: the arena never gives memory back to the system; shrink it after a refusal, so that regions left
        // by one large run cannot starve a run of another size.
        ffi::register_arena(&ort, arena_bytes).map_err(start)?;
        let memory = ffi::cpu_memory(AllocatorType::Device).map_err(start)?;
        let has_shared_threads = shared_threads.is_some();
        Ok(Self { ort, memory: Arc::new(memory), arena_max, has_shared_threads, arena: Arc::default() })
    }

    pub(crate) fn ort(&self) -> &OrtEnvironment {
        &self.ort
    }

    /// Keeps the way to the arena that a first session opens.
    pub(crate) fn note_arena(&self, session: &ffi::SessionHandle) {
        if self.arena.get().is_none() {
            match ffi::Arena::of(session) {
                Ok(arena) => drop(self.arena.set(arena)),
                Err(error) => tracing::debug!(%error, "the arena's statistics are not available"),
            }
        }
    }

    /// Lets every thread keep small blocks of the arena for its next run, in sessions that are made from now on.
    pub(super) fn cache_arena(&self, session: &ffi::SessionHandle) -> ort::Result<()> {
        ffi::cache_arena(&self.ort, session, usize::try_from(self.arena_max).unwrap_or(usize::MAX))
    }

    /// Bytes of the arena that live tensors and weights take now. Empties the threads' caches.
    pub(crate) fn arena_in_use(&self) -> Option<u64> {
        ffi::flush();
        self.arena.get()?.statistic(c"InUse")
    }

    /// The same with what threads keep for their next runs, which stays with them: costs no run anything.
    pub(crate) fn arena_taken(&self) -> Option<u64> {
        self.arena.get()?.statistic(c"InUse")
    }

    /// How often the arena was asked for a block.
    #[cfg(test)]
    pub(crate) fn arena_allocations(&self) -> Option<u64> {
        self.arena.get()?.statistic(c"NumAllocs")
    }

    /// Bytes that the arena has taken from the system; it keeps what it once took.
    pub(crate) fn arena_reserved(&self) -> Option<u64> {
        self.arena.get()?.statistic(c"TotalAllocated")
    }
}

fn shared_pool(threads: usize) -> ort::Result<GlobalThreadPoolOptions> {
    GlobalThreadPoolOptions::default().with_intra_threads(threads)?.with_inter_threads(1)?.with_spin_control(false)
}

/// Whatever a model makes ONNX Runtime say comes back as a typed error too, so here it is only a trace.
fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Fatal => tracing::error!(target: "onnxruntime", location, "{message}"),
        LogLevel::Error | LogLevel::Warning => tracing::debug!(target: "onnxruntime", location, "{message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(target: "onnxruntime", location, "{message}"),
    }
}
