//! One load that several callers wait for, and how the last of them to leave ends it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use modelet_spec::Device;
use tokio::sync::oneshot;

use super::seen::Seen;
use crate::error::LoadError;
use crate::model::Model;
use crate::recorded::CallShape;

/// Brings one model into memory.
pub trait Loader: Send + Sync {
    /// The bytes that it will take, as far as that is known before; its measure replaces them.
    fn bytes(&self) -> u64;

    /// Loads it on `device`, on whose account it is, and on no other. Called on a thread of its own, where it may block. It
    /// should look at `context` where it can stop.
    ///
    /// # Errors
    /// See [`LoadError`]; [`LoadError::Cancelled`] when it stopped because it was asked to, [`LoadError::Device`] when another
    /// device may be tried.
    fn load(&self, device: Device, context: &LoadContext) -> Result<Arc<Model>, LoadError>;
}

/// What a load is told while it runs.
#[derive(Clone, Default)]
pub struct LoadContext(Arc<Asked>);

#[derive(Default)]
struct Asked {
    is_cancelled: AtomicBool,
    stop: Mutex<Option<Stop>>,
    recorded: OnceLock<Vec<CallShape>>,
}

type Stop = Box<dyn FnOnce() + Send>;

impl LoadContext {
    /// Whether nobody waits for it any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// Calls to warm it with: the shapes of the last calls of the owner who waits for it. Other owners' are not among them.
    #[must_use]
    pub fn recorded(&self) -> &[CallShape] {
        self.0.recorded.get().map_or(&[], Vec::as_slice)
    }

    /// Calls `stop` when nobody waits any more; at once if that is so already. The one before is forgotten.
    pub fn on_cancel(&self, stop: impl FnOnce() + Send + 'static) {
        *self.lock() = Some(Box::new(stop));
        // Whoever cancels sets the flag first and takes the switch then: one of the two sees the other.
        if self.is_cancelled() {
            self.call();
        }
    }

    pub(super) fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Release);
        self.call();
    }

    fn call(&self) {
        let stop = self.lock().take();
        if let Some(stop) = stop {
            stop();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Stop>> {
        self.0.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a load gives to those who wait.
pub(super) type Loaded = Result<Arc<Model>, LoadError>;

/// Names one load, so that a late job or a late leave cannot mean another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlightId(u64);

/// A load that was asked for.
pub(super) struct Flight {
    pub(super) id: FlightId,
    pub(super) context: LoadContext,
    /// A loader thread has taken it up.
    pub(super) has_begun: bool,
    waiting: Vec<Caller>,
}

/// One who waits for a load.
struct Caller {
    sender: oneshot::Sender<Loaded>,
    owner: Arc<Seen>,
}

impl Flight {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = FlightId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { id, context: LoadContext::default(), has_begun: false, waiting: Vec::new() }
    }

    /// A loader thread takes it up. What it is warmed with is of the first who waits, and of nobody who has left.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
        let first = self.waiting.iter().find(|caller| !caller.sender.is_closed());
        // It begins once.
        let _ = self.context.0.recorded.set(first.map_or_else(Vec::new, |caller| caller.owner.recorder.read()));
    }

    /// One more waits, who sees the model as `owner`.
    pub(super) fn join(&mut self, owner: &Arc<Seen>) -> oneshot::Receiver<Loaded> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(Caller { sender, owner: Arc::clone(owner) });
        receiver
    }

    /// Whether somebody still waits.
    pub(super) fn is_wanted(&mut self) -> bool {
        self.waiting.retain(|caller| !caller.sender.is_closed());
        !self.waiting.is_empty()
    }

    /// The same callers wait for another load.
    pub(super) fn again(self) -> Self {
        Self { waiting: self.waiting, ..Self::new() }
    }

    /// Tells all who wait. Nothing is held back here: with the last who is told the model is in its callers' hands alone.
    pub(super) fn land(mut self, loaded: Loaded) {
        let last = self.waiting.pop();
        for caller in self.waiting {
            // Whoever has left meanwhile does not want it.
            let _ = caller.sender.send(loaded.clone());
        }
        if let Some(last) = last {
            let _ = last.sender.send(loaded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_told_once_whether_it_asks_before_or_after() {
        let told = Arc::new(AtomicU64::new(0));
        let tell = |context: &LoadContext| {
            let told = Arc::clone(&told);
            context.on_cancel(move || {
                told.fetch_add(1, Ordering::Relaxed);
            });
        };
        let context = LoadContext::default();
        tell(&context);
        assert!(!context.is_cancelled());
        context.cancel();
        context.cancel();
        assert_eq!((context.is_cancelled(), told.load(Ordering::Relaxed)), (true, 1));
        tell(&context);
        assert_eq!(told.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_load_is_wanted_while_one_waits() {
        let mut flight = Flight::new();
        let owner = Arc::default();
        let (one, two) = (flight.join(&owner), flight.join(&owner));
        drop(one);
        assert!(flight.is_wanted());
        drop(two);
        assert!(!flight.is_wanted());
    }
}
