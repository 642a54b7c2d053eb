//! The way from a function's models to what is in memory: a handle for each version of a model, and what loads it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use modelet_engine::ports::{Models, ModelsError};
use modelet_inference::{
    CallShape, LoadContext, LoadError, LoadStop, Loader, Model, ModelHandle, ModelKey, ModelUse, Residency,
    ResidencyConfig, Runtime,
};
use modelet_spec::{Device, Digest, ModelName, TenantName, Version};
use modelet_store::{ModelVersion, Store};
use prometheus_client::registry::Registry;

use crate::error::ControlError;
use crate::forms::Forms;
use crate::grants::Grants;
use crate::pinned::{Gone, Pinned};
use crate::usage::Books;

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
    /// One for each version and each tenant that asked for it: that one's uses are counted in it.
    handles: Mutex<HashMap<Used, Held>>,
    /// Versions that were removed and are still bound.
    gone: Arc<Gone>,
    /// Who may use whose.
    pub(crate) grants: Arc<Grants>,
    books: Arc<Books>,
}

/// A handle, and the content that it is for.
type Held = (Digest, ModelHandle);

/// A version of a tenant's model.
pub(crate) type Owned = (TenantName, ModelName, Version);

/// A version, and the tenant that uses it: its owner, or one to which it is granted.
type Used = (TenantName, Owned);

impl ModelShelf {
    pub(crate) fn new(
        store: Arc<Store>,
        inference: &Inference,
        forms: Arc<Forms>,
        (idle, books): (Duration, Arc<Books>),
    ) -> Result<Self, ControlError> {
        let start = |runtime: &Runtime| {
            let budgets = runtime.devices().iter().map(|device| (device.device, device.memory_max)).collect();
            let config = ResidencyConfig { idle, ..ResidencyConfig::with_budgets(budgets) };
            let residency = Residency::start(runtime, config);
            residency.map_err(|error| ControlError::Internal(format!("no thread for loading models: {error}")))
        };
        let memory = match inference {
            Inference::Ready(runtime) => Some((runtime.clone(), start(runtime)?)),
            Inference::Missing(_) => None,
        };
        let (gone, grants) = (Arc::new(Gone::of(&store)?), Arc::new(Grants::read(&store)?));
        Ok(Self { store, forms, memory, handles: Mutex::default(), gone, grants, books })
    }

    /// Adds the metrics of memory.
    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Some((_, residency)) = &self.memory {
            residency.register(registry);
        }
    }

    /// Its owner's way to a version of a model; `None` without ONNX Runtime.
    pub(crate) fn handle(&self, pinned: &Pinned) -> Option<ModelHandle> {
        self.handle_of(&pinned.owner, pinned)
    }

    /// A tenant's way to a version of a model; `None` without ONNX Runtime.
    fn handle_of(&self, user: &TenantName, pinned: &Pinned) -> Option<ModelHandle> {
        let (runtime, residency) = self.memory.as_ref()?;
        let mut handles = self.handles();
        let used = (user.clone(), pinned.owned());
        // A deploy that was not done may have left one for what then became no version.
        if let Some((_, handle)) = handles.get(&used).filter(|(content, _)| *content == pinned.digest) {
            return Some(handle.clone());
        }
        let key = ModelKey::new(pinned.digest).wishing(pinned.card.run.device);
        let key = match pinned.scope(self.store.dedupe()) {
            Some(scope) => key.scoped(scope),
            None => key,
        };
        let (store, forms) = (Arc::clone(&self.store), Arc::clone(&self.forms));
        let loader = StoredModel { store, forms, runtime: runtime.clone(), pinned: pinned.clone() };
        let handle = residency.handle(key, Arc::new(loader));
        self.books.open_model(user, &used.1, &handle);
        // What is no version yet is for the trial of its deploy alone: nobody else is to find it.
        if pinned.fresh.is_some() {
            return Some(handle);
        }
        if pinned.card.record.unwrap_or(true) {
            handle.record(true);
            handle.recall(recorded_before(&handles, &used));
        }
        handles.insert(used, (pinned.digest, handle.clone()));
        Some(handle)
    }

    /// Lets go of versions that never came to be, because their deploy failed.
    pub(crate) fn drop_unmade(&self, unmade: &[Pinned]) {
        if unmade.is_empty() {
            return;
        }
        let is_unmade = |(_, of): &Used, (content, _): &mut Held| {
            unmade.iter().any(|pinned| pinned.owned() == *of && pinned.digest == *content)
        };
        self.handles().retain(|used, held| !is_unmade(used, held));
    }

    /// Lets removed versions go: no function finds them from now on, and what is in memory for them alone leaves it.
    pub(crate) fn forget(&self, versions: &[ModelVersion]) {
        self.gone.add(versions);
        let owned: HashSet<Owned> = versions.iter().map(|v| (v.tenant.clone(), v.name.clone(), v.version)).collect();
        let handles: Vec<ModelHandle> =
            self.handles().extract_if(|(_, of), _| owned.contains(of)).map(|(_, (_, handle))| handle).collect();
        for handle in handles {
            // Pinned or not: what was removed has no claim any more.
            handle.pin(false);
            handle.record(false);
            let _ = handle.unload(true);
        }
    }

    /// Versions that were removed are there again.
    pub(crate) fn find_again(&self, versions: &[ModelVersion]) {
        self.gone.take_out(versions);
    }

    /// What each user has seen of the models that it uses so far, sorted by user.
    pub(crate) fn seen(&self) -> Vec<(Used, ModelUse)> {
        let handles = self.handles().clone();
        let mut all: Vec<_> = handles.into_iter().map(|(used, (_, handle))| (used, handle.seen())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// What the owner of a version has seen of it; `None`: nothing.
    pub(crate) fn seen_of(&self, owned: &Owned) -> Option<ModelUse> {
        Some(self.handles().get(&(owned.0.clone(), owned.clone()))?.1.seen())
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<Used, Held>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is remembered of the same user's calls of a version's newest predecessor that has any: the same tenant's model of the same
/// name.
fn recorded_before(handles: &HashMap<Used, Held>, (user, (tenant, name, version)): &Used) -> Vec<CallShape> {
    let is_earlier =
        |(by, (owner, of, earlier)): &Used| by == user && owner == tenant && of == name && earlier < version;
    let earlier = handles.iter().filter(|(used, _)| is_earlier(used));
    let recorded = earlier.map(|((_, (.., earlier)), (_, handle))| (*earlier, handle.seen().recorded));
    let newest = recorded.filter(|(_, calls)| !calls.is_empty()).max_by_key(|(earlier, _)| *earlier);
    newest.map(|(_, calls)| calls).unwrap_or_default()
}

/// Loads a model from the store.
struct StoredModel {
    store: Arc<Store>,
    forms: Arc<Forms>,
    runtime: Runtime,
    pinned: Pinned,
}

impl Loader for StoredModel {
    fn bytes(&self) -> u64 {
        // Nothing is laid on the disk for a guess: the content alone names what a trial has measured.
        self.forms.expected_bytes(&self.runtime, &self.pinned.bare_source(&self.store))
    }

    fn load(&self, device: Device, context: &LoadContext) -> Result<Arc<Model>, LoadError> {
        let source = self.pinned.source(&self.store)?;
        let stop = LoadStop::default();
        let switch = stop.clone();
        context.on_cancel(move || switch.cancel());
        self.forms.load(&self.runtime, &source, device, (context.recorded(), &stop))
    }
}

/// The models of one function: the names of its manifest, and no others.
pub(crate) struct FunctionModels {
    /// By the function's own name for each.
    bound: BTreeMap<String, Bound>,
    /// The function's tenant.
    user: TenantName,
    gone: Arc<Gone>,
    grants: Arc<Grants>,
}

struct Bound {
    pinned: Pinned,
    /// `None` without ONNX Runtime.
    handle: Option<ModelHandle>,
}

impl FunctionModels {
    /// The models that a function of a tenant is bound to.
    pub(crate) fn new(shelf: &ModelShelf, user: &TenantName, bound: &BTreeMap<String, Pinned>) -> Self {
        let bind = |(alias, pinned): (&String, &Pinned)| {
            (alias.clone(), Bound { pinned: pinned.clone(), handle: shelf.handle_of(user, pinned) })
        };
        let (gone, grants) = (Arc::clone(&shelf.gone), Arc::clone(&shelf.grants));
        Self { bound: bound.iter().map(bind).collect(), user: user.clone(), gone, grants }
    }
}

impl Models for FunctionModels {
    fn load(&self, name: &str) -> Result<ModelHandle, ModelsError> {
        let may = |bound: &&Bound| !self.gone.has(&bound.pinned) && self.grants.allow(&self.user, &bound.pinned);
        let bound = self.bound.get(name).filter(may);
        match bound {
            Some(Bound { handle: Some(handle), .. }) => Ok(handle.clone()),
            Some(_) => {
                tracing::error!(model = name, "a model is needed and ONNX Runtime is missing");
                Err(LoadError::Unavailable("the server has no ONNX Runtime; its operator can see why".to_owned())
                    .into())
            }
            None => Err(ModelsError::NotFound(name.to_owned())),
        }
    }

    fn circle(&self, name: &str) -> Option<u64> {
        self.grants.circle(&self.user, &self.bound.get(name)?.pinned)
    }
}
