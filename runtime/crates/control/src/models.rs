//! Models in memory: loaded on first use, once per content for all functions of all tenants.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use modelet_engine::ports::{BoxFuture, Models, ModelsError};
use modelet_inference::{Model, ModelOptions, Runtime};
use modelet_spec::{Digest, ModelName, Version};
use modelet_store::Store;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ControlError;

/// Loads that run at a time: each may need as much memory as its model has, twice.
const LOADS_MAX: usize = 2;

/// How often idle models are looked for: a quarter of their time, within these.
const TEND_MIN: Duration = Duration::from_millis(50);
const TEND_MAX: Duration = Duration::from_secs(15);

/// ONNX Runtime, or why there is none.
#[derive(Clone)]
pub enum Inference {
    /// Models can be loaded.
    Ready(Runtime),
    /// The library is not there; what to do, for a person.
    Missing(String),
}

impl Inference {
    pub(crate) fn ready(&self) -> Result<&Runtime, ControlError> {
        match self {
            Self::Ready(runtime) => Ok(runtime),
            Self::Missing(why) => Err(ControlError::Unavailable(why.clone())),
        }
    }
}

/// The loaded models, by the digest of their bytes.
///
/// Bounded by the bytes of the models' files: the one that was used longest ago goes first. A model that an instance
/// still holds lives until that instance is gone. Whatever nobody has used for a while goes by itself.
pub(crate) struct ModelCache {
    store: Arc<Store>,
    inference: Inference,
    loads: Semaphore,
    loaded: Cache<Digest, Arc<Model>>,
    /// What the cache has let go of and instances still hold: loading it again would make a second copy.
    held: Mutex<HashMap<Digest, Weak<Model>>>,
    idle: Duration,
}

/// How much the cache may keep, and for how long.
pub(crate) struct Room {
    /// Of the models' files.
    pub(crate) bytes_max: u64,
    /// After a model's last use.
    pub(crate) idle: Duration,
}

impl ModelCache {
    pub(crate) fn new(store: Arc<Store>, inference: Inference, room: &Room) -> Arc<Self> {
        let loaded = Cache::builder()
            // In KiB, because a weight has 32 bits and a model may have more than 4 GiB.
            .weigher(|_, model: &Arc<Model>| u32::try_from(model.file_bytes() / 1024).unwrap_or(u32::MAX).max(1))
            .max_capacity((room.bytes_max / 1024).max(1))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(room.idle)
            .build();
        Arc::new(Self {
            store,
            inference,
            loads: Semaphore::new(LOADS_MAX),
            loaded,
            held: Mutex::default(),
            idle: room.idle,
        })
    }

    /// Lets idle models go when their time has come: the cache itself only looks when it is used. Ends with the cache.
    pub(crate) fn tend(self: &Arc<Self>) {
        let cache = Arc::downgrade(self);
        let pause = (self.idle / 4).clamp(TEND_MIN, TEND_MAX);
        tokio::spawn(async move {
            while let Some(cache) = cache.upgrade() {
                cache.loaded.run_pending_tasks().await;
                drop(cache);
                tokio::time::sleep(pause).await;
            }
        });
    }

    /// The right to load a model: few at a time, for serving and for the check at a push together.
    pub(crate) async fn load_permit(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so there always is one in the end.
        self.loads.acquire().await.ok()
    }

    /// The model of this content. All who ask while it loads wait for the same load.
    async fn get(self: &Arc<Self>, bound: &Pinned) -> Result<Arc<Model>, ModelsError> {
        if let Some(model) = self.loaded.get(&bound.digest).await {
            return Ok(model);
        }
        let (this, pinned) = (Arc::clone(self), bound.clone());
        // A task of its own: a caller that gives up must not stop the load that others wait for.
        let load = tokio::spawn(async move {
            let digest = pinned.digest;
            let loading = this.load(pinned);
            this.loaded.try_get_with(digest, loading).await.map_err(|e| (*e).clone())
        });
        match load.await {
            Ok(loaded) => loaded,
            Err(_) => Err(ModelsError::Failed("loading the model ended early".to_owned())),
        }
    }

    /// The model, if some instance still holds it.
    fn held(&self, digest: &Digest) -> Option<Arc<Model>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(digest).and_then(Weak::upgrade)
    }

    fn remember(&self, digest: Digest, model: &Arc<Model>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, model| model.strong_count() > 0);
        held.insert(digest, Arc::downgrade(model));
    }

    async fn load(self: &Arc<Self>, pinned: Pinned) -> Result<Arc<Model>, ModelsError> {
        let Inference::Ready(runtime) = &self.inference else {
            tracing::error!(model = %pinned.label(), "a model is needed and ONNX Runtime is missing");
            return Err(ModelsError::Failed("the server has no ONNX Runtime; its operator can see why".to_owned()));
        };
        if let Some(model) = self.held(&pinned.digest) {
            return Ok(model);
        }
        let _permit = self.load_permit().await;
        let digest = pinned.digest;
        let (store, runtime, label) = (Arc::clone(&self.store), runtime.clone(), pinned.label());
        let started = std::time::Instant::now();
        let load = tokio::task::spawn_blocking(move || {
            let bytes = store.blob(&pinned.digest).map_err(|e| {
                tracing::error!(model = %pinned.label(), error = %e, "the bytes of a model could not be read");
                ModelsError::Failed("the bytes of the model could not be read".to_owned())
            })?;
            load_model(&runtime, bytes, &pinned.label()).map_err(|e| refused(&e))
        });
        let loaded = load.await.map_err(|_| ModelsError::Failed("loading the model ended early".to_owned()))?;
        match &loaded {
            Ok(model) => {
                self.remember(digest, model);
                tracing::info!(model = %label, seconds = started.elapsed().as_secs_f64(), "loaded a model");
            }
            Err(error) => tracing::warn!(model = %label, %error, "a model did not load"),
        }
        loaded
    }
}

/// Loads a model for serving. Blocks.
pub(crate) fn load_model(
    runtime: &Runtime,
    bytes: Vec<u8>,
    name: &str,
) -> Result<Arc<Model>, modelet_inference::LoadError> {
    runtime.load(bytes, ModelOptions::named(name))
}

fn refused(error: &modelet_inference::LoadError) -> ModelsError {
    match error {
        modelet_inference::LoadError::TooLarge(_) => ModelsError::TooLarge(error.to_string()),
        _ => ModelsError::Failed(error.to_string()),
    }
}

/// A version of a model that a function was bound to at its deploy.
#[derive(Debug, Clone)]
pub(crate) struct Pinned {
    pub(crate) name: ModelName,
    pub(crate) version: Version,
    pub(crate) digest: Digest,
}

impl Pinned {
    fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The models of one function: the names of its manifest, and no others.
pub(crate) struct FunctionModels {
    /// By the function's own name for each.
    pub(crate) bound: BTreeMap<String, Pinned>,
    /// Where all functions' models are.
    pub(crate) cache: Arc<ModelCache>,
}

impl Models for FunctionModels {
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<Model>, ModelsError>> {
        Box::pin(async move {
            let pinned = self.bound.get(name).ok_or_else(|| ModelsError::NotFound(name.to_owned()))?;
            self.cache.get(pinned).await
        })
    }
}
