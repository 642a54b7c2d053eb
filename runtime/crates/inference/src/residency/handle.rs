//! What whoever computes holds: the way to a model that may or may not be in memory.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use modelet_spec::manifest::BatchRule;
use modelet_spec::{Device, Digest, Flow};
use tokio::sync::oneshot;

use super::flight::Loaded;
use super::key::ModelKey;
use super::residency::Inner;
use super::seen::{ModelUse, Seen};
use super::slot::{Slot, Unload};
use crate::error::{LoadError, RunError};
use crate::model::Model;
use crate::recorded::CallShape;
use crate::tensor::Tensor;

/// One owner's way to one model. Clones are the same handle; it does not keep the model in memory.
#[derive(Clone)]
pub struct ModelHandle(Arc<Held>);

struct Held {
    slot: Arc<Slot>,
    seen: Arc<Seen>,
    idle: Duration,
    /// None: it has one model for ever.
    inner: Option<Arc<Inner>>,
}

/// A model while it is used: it stays in memory until this is dropped.
pub struct InUse<'a> {
    handle: &'a ModelHandle,
    model: Arc<Model>,
    is_load: bool,
}

impl ModelHandle {
    /// A handle of one model that is always in memory: for embeddings of this crate without a residency.
    #[must_use]
    pub fn fixed(model: Arc<Model>) -> Self {
        let key = ModelKey::new(Digest::of(model.name().as_bytes()));
        let slot = Arc::new(Slot::new(key, Instant::now()));
        let seen = Arc::new(Seen::of(&slot, [model.device()].into_iter()));
        slot.loaded.store(Some(model));
        slot.generation.store(1, Relaxed);
        Self(Arc::new(Held { slot, seen, idle: Duration::MAX, inner: None }))
    }

    pub(super) fn new(inner: Arc<Inner>, slot: Arc<Slot>, seen: Arc<Seen>) -> Self {
        let idle = inner.config.idle;
        Self(Arc::new(Held { slot, seen, idle, inner: Some(inner) }))
    }

    /// The model, from memory or by a load that all who ask share. Whoever drops the future leaves that load; with the last
    /// one it is stopped.
    ///
    /// In memory it takes no lock and no allocation: one atomic load of the model, a look at the clock, and a handful of
    /// relaxed counters.
    ///
    /// # Errors
    /// See [`LoadError`]: the load failed (for all who waited, and for who asks within its back-off), or there is no room.
    pub async fn get(&self) -> Result<InUse<'_>, LoadError> {
        match self.0.slot.loaded.load_full() {
            Some(model) => Ok(self.enter(model, true)),
            // Boxed, so that the usual way carries no room for this one.
            None => Ok(self.enter(Box::pin(self.wait()).await?, true)),
        }
    }

    /// Brings the model into memory, as [`Self::get`] does, and counts no call. Says whether its owner met a load.
    ///
    /// # Errors
    /// As there.
    pub async fn load(&self) -> Result<bool, LoadError> {
        let loaded = self.0.slot.loaded.load_full();
        let model = match loaded {
            Some(model) => model,
            None => Box::pin(self.wait()).await?,
        };
        Ok(self.enter(model, false).is_load)
    }

    /// What this handle's owner has seen of the model.
    #[must_use]
    pub fn seen(&self) -> ModelUse {
        self.0.seen.read(&self.0.slot, self.0.idle)
    }

    /// Whether the shapes of this owner's calls are remembered, to warm the model's next load for it; at first they are not.
    /// Either way nothing is remembered of the calls before.
    pub fn record(&self, wanted: bool) {
        self.0.seen.recorder.turn(wanted);
    }

    /// Remembers calls of an earlier version of the owner's model, if it remembers any.
    pub fn recall(&self, calls: Vec<CallShape>) {
        calls.into_iter().for_each(|call| self.0.seen.recorder.keep(call));
    }

    pub(super) fn seen_by_owner(&self) -> &Seen {
        &self.0.seen
    }

    /// What it leads to.
    #[must_use]
    pub fn key(&self) -> &ModelKey {
        &self.0.slot.key
    }

    /// Whether the model is to stay in memory, once it is there, until this is taken back. It counts against the budget.
    pub fn pin(&self, wanted: bool) {
        self.0.seen.pin(wanted);
    }

    /// Lets the model go. Calls in progress finish; one that comes while they do finds the model still there. If others use
    /// the same copy, it only goes for this owner. Blocks while the memory is given back.
    #[must_use]
    pub fn unload(&self, force: bool) -> Unload {
        match &self.0.inner {
            Some(inner) => inner.unload(&self.0.slot, &self.0.seen, force),
            None => Unload::Pinned,
        }
    }

    fn enter(&self, model: Arc<Model>, is_call: bool) -> InUse<'_> {
        let Held { slot, seen, idle, .. } = &*self.0;
        let now_ms = slot.now_ms();
        slot.used_ms.store(now_ms, Relaxed);
        let is_load = seen.enter(now_ms, slot.generation.load(Acquire), *idle);
        seen.is_on(device_of(&model));
        if is_call {
            seen.call();
        }
        InUse { handle: self, model, is_load }
    }

    async fn wait(&self) -> Loaded {
        let Some(inner) = &self.0.inner else {
            return Err(LoadError::Unavailable("the model is gone".to_owned()));
        };
        let mut waiting = match inner.ask(&self.0.slot, &self.0.seen) {
            Asked::Here(loaded) => return loaded,
            Asked::Wait(receiver) => Waiting { inner, slot: &self.0.slot, receiver: Some(receiver) },
        };
        let Some(receiver) = waiting.receiver.as_mut() else { return Err(LoadError::Cancelled) };
        let loaded = receiver.await.unwrap_or(Err(LoadError::Cancelled));
        waiting.receiver = None;
        loaded
    }
}

impl InUse<'_> {
    /// Whether its owner met a load: the model was not in memory for it.
    #[must_use]
    pub fn is_load(&self) -> bool {
        self.is_load
    }

    /// [`Model::run_with`], with the time that it takes on its owner's meter.
    ///
    /// # Errors
    /// As there.
    pub async fn run_with(
        &self,
        flow: Flow,
        rule: &BatchRule,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(Arc<str>, Tensor)>, RunError> {
        let seen = &self.handle.0.seen;
        let unknown = seen.recorder.unknown(&inputs);
        let answered = self.model.run_metered(flow, rule, inputs, seen.meter(device_of(&self.model))).await;
        if let (Some(shape), Ok(_)) = (unknown, &answered) {
            seen.recorder.keep(shape);
        }
        answered
    }
}

impl Deref for InUse<'_> {
    type Target = Arc<Model>;

    fn deref(&self) -> &Arc<Model> {
        &self.model
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let Held { seen, inner, .. } = &*self.handle.0;
        seen.leave();
        // The last hold on a model that was let go meanwhile: unloading takes milliseconds, which are not this thread's.
        if let Some(inner) = inner.as_ref().filter(|_| Arc::strong_count(&self.model) == 1) {
            inner.going.push(Arc::clone(&self.model));
        }
    }
}

/// On whose account a model is; one without a residency is where it runs.
fn device_of(model: &Model) -> Device {
    model.charged_to().unwrap_or_else(|| model.device())
}

/// What the slow path says.
pub(super) enum Asked {
    /// The model, or why there is none now.
    Here(Loaded),
    /// It is being loaded.
    Wait(oneshot::Receiver<Loaded>),
}

/// A caller's place in a load; dropping it leaves.
struct Waiting<'a> {
    inner: &'a Arc<Inner>,
    slot: &'a Arc<Slot>,
    receiver: Option<oneshot::Receiver<Loaded>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Closed first: who still waits is found by that.
        if let Some(receiver) = self.receiver.take() {
            drop(receiver);
            self.inner.leave(&self.slot.key);
        }
    }
}
