//! A loader of a real model that waits, fails and takes as much room as a test says.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use modelet_inference::{LoadContext, LoadError, Loader, Model, ModelOptions, Runtime};

use crate::support::model_bytes;

pub(crate) struct Staged {
    runtime: Runtime,
    bytes: Vec<u8>,
    options: ModelOptions,
    expected: AtomicU64,
    /// Loads begun.
    pub(crate) begun: AtomicUsize,
    /// Loads that were told to stop.
    pub(crate) told: Arc<AtomicUsize>,
    /// Whether a load that is told to stop does.
    pub(crate) obeys: AtomicBool,
    fails: Mutex<Option<LoadError>>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Staged {
    /// Of a model of the repository.
    pub(crate) fn of(runtime: &Runtime, file: &str) -> Arc<Self> {
        Self::made(runtime, model_bytes(file), ModelOptions::named(file))
    }

    pub(crate) fn made(runtime: &Runtime, bytes: Vec<u8>, options: ModelOptions) -> Arc<Self> {
        Arc::new(Self {
            runtime: runtime.clone(),
            bytes,
            options,
            expected: AtomicU64::new(0),
            begun: AtomicUsize::new(0),
            told: Arc::default(),
            obeys: AtomicBool::new(true),
            fails: Mutex::default(),
            gate: Arc::new((Mutex::new(true), Condvar::new())),
        })
    }

    /// What it says before the load.
    pub(crate) fn expecting(self: Arc<Self>, bytes: u64) -> Arc<Self> {
        self.expected.store(bytes, SeqCst);
        self
    }

    /// Loads begun.
    pub(crate) fn loads(&self) -> usize {
        self.begun.load(SeqCst)
    }

    /// From now on loads wait until `open`.
    pub(crate) fn shut(&self) {
        *self.gate.0.lock().unwrap() = false;
    }

    pub(crate) fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    /// From now on loads fail, or do not.
    pub(crate) fn fail(&self, why: Option<LoadError>) {
        *self.fails.lock().unwrap() = why;
    }
}

impl Loader for Staged {
    fn bytes(&self) -> u64 {
        self.expected.load(SeqCst)
    }

    fn load(&self, context: &LoadContext) -> Result<Arc<Model>, LoadError> {
        self.begun.fetch_add(1, SeqCst);
        let (told, gate) = (Arc::clone(&self.told), Arc::clone(&self.gate));
        context.on_cancel(move || {
            told.fetch_add(1, SeqCst);
            // Under the lock, so that whoever is about to wait hears it.
            let _open = gate.0.lock().unwrap();
            gate.1.notify_all();
        });
        let stops = || self.obeys.load(SeqCst) && context.is_cancelled();
        let open = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(open, |open| !*open && !stops()).unwrap());
        if stops() {
            return Err(LoadError::Cancelled);
        }
        if let Some(why) = self.fails.lock().unwrap().clone() {
            return Err(why);
        }
        self.runtime.load(self.bytes.clone(), self.options.clone())
    }
}
