//! One load that several callers wait for, and how the last of them to leave ends it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use modelet_spec::Device;
use tokio::sync::oneshot;

use crate::error::LoadError;
use crate::model::Model;

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
}

type Stop = Box<dyn FnOnce() + Send>;

impl LoadContext {
    /// Whether nobody waits for it any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
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
    waiting: Vec<oneshot::Sender<Loaded>>,
}

impl Flight {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = FlightId(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { id, context: LoadContext::default(), has_begun: false, waiting: Vec::new() }
    }

    /// One more waits.
    pub(super) fn join(&mut self) -> oneshot::Receiver<Loaded> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        receiver
    }

    /// Whether somebody still waits.
    pub(super) fn is_wanted(&mut self) -> bool {
        self.waiting.retain(|waiting| !waiting.is_closed());
        !self.waiting.is_empty()
    }

    /// The same callers wait for another load.
    pub(super) fn again(self) -> Self {
        Self { waiting: self.waiting, ..Self::new() }
    }

    /// Tells all who wait. Nothing is held back here: with the last who is told the model is in its callers' hands alone.
    pub(super) fn land(mut self, loaded: Loaded) {
        let last = self.waiting.pop();
        for waiting in self.waiting {
            // Whoever has left meanwhile does not want it.
            let _ = waiting.send(loaded.clone());
        }
        if let Some(last) = last {
            let _ = last.send(loaded);
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
        let (one, two) = (flight.join(), flight.join());
        drop(one);
        assert!(flight.is_wanted());
        drop(two);
        assert!(!flight.is_wanted());
    }
}
