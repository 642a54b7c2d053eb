//! Models in memory: loaded on first use, once per content for all functions of all tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

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
/// still holds lives until that instance is gone.
pub(crate) struct ModelCache {
    store: Arc<Store>,
    inference: Inference,
    loads: Semaphore,
    loaded: Cache<Digest, Loaded>,
}

/// A loaded model and the size of its file.
#[derive(Clone)]
struct Loaded {
    model: Arc<Model>,
    bytes: u64,
}

impl ModelCache {
    pub(crate) fn new(store: Arc<Store>, inference: Inference, bytes_max: u64) -> Arc<Self> {
        let loaded = Cache::builder()
            // In KiB, because a weight has 32 bits and a model may have more than 4 GiB.
            .weigher(|_, loaded: &Loaded| u32::try_from(loaded.bytes / 1024).unwrap_or(u32::MAX).max(1))
            .max_capacity((bytes_max / 1024).max(1))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Arc::new(Self { store, inference, loads: Semaphore::new(LOADS_MAX), loaded })
    }

    /// The right to load a model: few at a time, for serving and for the check at a push together.
    pub(crate) async fn load_permit(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so there always is one in the end.
        self.loads.acquire().await.ok()
    }

    /// The model of this content. All who ask while it loads wait for the same load.
    async fn get(self: &Arc<Self>, bound: &Pinned) -> Result<Arc<Model>, ModelsError> {
        if let Some(loaded) = self.loaded.get(&bound.digest).await {
            return Ok(loaded.model);
        }
        let (this, pinned) = (Arc::clone(self), bound.clone());
        // A task of its own: a caller that gives up must not stop the load that others wait for.
        let load = tokio::spawn(async move {
            let digest = pinned.digest;
            let loading = this.load(pinned);
            this.loaded.try_get_with(digest, loading).await.map_err(|e| (*e).clone())
        });
        match load.await {
            Ok(loaded) => loaded.map(|l| l.model),
            Err(_) => Err(ModelsError::Failed("loading the model ended early".to_owned())),
        }
    }

    async fn load(self: &Arc<Self>, pinned: Pinned) -> Result<Loaded, ModelsError> {
        let Inference::Ready(runtime) = &self.inference else {
            tracing::error!(model = %pinned.label(), "a model is needed and ONNX Runtime is missing");
            return Err(ModelsError::Failed("the server has no ONNX Runtime; its operator can see why".to_owned()));
        };
        let _permit = self.load_permit().await;
        let (store, runtime, label) = (Arc::clone(&self.store), runtime.clone(), pinned.label());
        let started = std::time::Instant::now();
        let load = tokio::task::spawn_blocking(move || {
            let bytes = store.blob(&pinned.digest).map_err(|e| {
                tracing::error!(model = %pinned.label(), error = %e, "the bytes of a model could not be read");
                ModelsError::Failed("the bytes of the model could not be read".to_owned())
            })?;
            let size = bytes.len() as u64;
            let model = load_model(&runtime, bytes, &pinned.label()).map_err(|e| refused(&e))?;
            Ok(Loaded { model, bytes: size })
        });
        let loaded = load.await.map_err(|_| ModelsError::Failed("loading the model ended early".to_owned()))?;
        match &loaded {
            Ok(_) => tracing::info!(model = %label, seconds = started.elapsed().as_secs_f64(), "loaded a model"),
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
