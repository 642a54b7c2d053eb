//! The way from a function's models to what is in memory: a handle for each version of a model, and what loads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelet_engine::ports::{Models, ModelsError};
use modelet_inference::{
    LoadContext, LoadError, LoadStop, Loader, Model, ModelHandle, ModelKey, ModelUse, Residency, ResidencyConfig,
    Runtime,
};
use modelet_spec::{Digest, ModelName, TenantName, Version};
use modelet_store::Store;
use prometheus_client::registry::Registry;

use crate::error::ControlError;
use crate::forms::{Forms, Source};

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

/// The models that functions may use. What is in memory of them, [`Residency`] decides.
pub(crate) struct ModelShelf {
    store: Arc<Store>,
    forms: Arc<Forms>,
    /// None: there is no ONNX Runtime.
    memory: Option<(Runtime, Residency)>,
    /// One for each version that was asked for: its owner's uses are counted in it.
    handles: Mutex<HashMap<Owned, ModelHandle>>,
}

/// A version of a tenant's model.
pub(crate) type Owned = (TenantName, ModelName, Version);

impl ModelShelf {
    pub(crate) fn new(
        store: Arc<Store>,
        inference: &Inference,
        forms: Arc<Forms>,
        config: ResidencyConfig,
    ) -> Result<Self, ControlError> {
        let start = |runtime: &Runtime| {
            let residency = Residency::start(runtime, config);
            residency.map_err(|error| ControlError::Internal(format!("no thread for loading models: {error}")))
        };
        let memory = match inference {
            Inference::Ready(runtime) => Some((runtime.clone(), start(runtime)?)),
            Inference::Missing(_) => None,
        };
        Ok(Self { store, forms, memory, handles: Mutex::default() })
    }

    /// Adds the metrics of memory.
    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Some((_, residency)) = &self.memory {
            residency.register(registry);
        }
    }

    /// The way to a version of a model; `None` without ONNX Runtime.
    pub(crate) fn handle(&self, tenant: &TenantName, pinned: &Pinned) -> Option<ModelHandle> {
        let (runtime, residency) = self.memory.as_ref()?;
        let owned = (tenant.clone(), pinned.name.clone(), pinned.version);
        let make = || {
            let path = self.store.blob_path(&pinned.digest);
            let source = Source::of_file(pinned.label(), pinned.digest, path);
            let loader = StoredModel { forms: Arc::clone(&self.forms), runtime: runtime.clone(), source };
            residency.handle(ModelKey::new(pinned.digest), Arc::new(loader))
        };
        Some(self.handles().entry(owned).or_insert_with(make).clone())
    }

    /// What each owner has seen of its models so far, sorted, and where they run.
    pub(crate) fn seen(&self) -> Vec<(Owned, String, ModelUse)> {
        let handles = self.handles().clone();
        let seen = |(owned, handle): (Owned, ModelHandle)| (owned, handle.key().device.to_string(), handle.seen());
        let mut all: Vec<_> = handles.into_iter().map(seen).collect();
        all.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        all
    }

    /// What the owner of a version has seen of it; `None`: nothing.
    pub(crate) fn seen_of(&self, owned: &Owned) -> Option<ModelUse> {
        Some(self.handles().get(owned)?.seen())
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<Owned, ModelHandle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads a model from the store.
struct StoredModel {
    forms: Arc<Forms>,
    runtime: Runtime,
    source: Source,
}

impl Loader for StoredModel {
    fn bytes(&self) -> u64 {
        self.forms.expected_bytes(&self.runtime, &self.source)
    }

    fn load(&self, context: &LoadContext) -> Result<Arc<Model>, LoadError> {
        let stop = LoadStop::default();
        let switch = stop.clone();
        context.on_cancel(move || switch.cancel());
        self.forms.load(&self.runtime, &self.source, &stop)
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
    /// By the function's own name for each; `None` without ONNX Runtime.
    handles: BTreeMap<String, Option<ModelHandle>>,
}

impl FunctionModels {
    /// The models that `tenant`'s function is bound to.
    pub(crate) fn new(shelf: &ModelShelf, tenant: &TenantName, bound: &BTreeMap<String, Pinned>) -> Self {
        let handle = |(alias, pinned): (&String, &Pinned)| (alias.clone(), shelf.handle(tenant, pinned));
        Self { handles: bound.iter().map(handle).collect() }
    }
}

impl Models for FunctionModels {
    fn load(&self, name: &str) -> Result<ModelHandle, ModelsError> {
        match self.handles.get(name) {
            Some(Some(handle)) => Ok(handle.clone()),
            Some(None) => {
                tracing::error!(model = name, "a model is needed and ONNX Runtime is missing");
                Err(LoadError::Unavailable("the server has no ONNX Runtime; its operator can see why".to_owned())
                    .into())
            }
            None => Err(ModelsError::NotFound(name.to_owned())),
        }
    }
}
