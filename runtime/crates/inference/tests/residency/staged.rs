//! A loader of a real model that waits, fails and takes as much room as a test says.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use modelet_inference::{LoadContext, LoadError, Loader, Model, ModelOptions, Runtime};
use modelet_spec::Device;

use crate::support::model_bytes;

pub(crate) struct Staged {
    runtime: Runtime,
    bytes: Vec<u8>,
    options: ModelOptions,
    expected: AtomicU64,
    is_single: AtomicBool,
    /// Loads begun.
    pub(crate) begun: AtomicUsize,
    /// Loads that were told to stop.
    pub(crate) told: Arc<AtomicUsize>,
    /// Whether a load that is told to stop does.
    pub(crate) obeys: AtomicBool,
    fails: Mutex<Option<LoadError>>,
    /// Devices that cannot run it.
    unfit: Mutex<Vec<Device>>,
    /// The devices that it was loaded for. All are pretended: it runs on the CPU.
    asked: Mutex<Vec<Device>>,
    /// The calls that its last load was to be warmed with.
    recorded: Mutex<Vec<String>>,
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
            is_single: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            told: Arc::default(),
            obeys: AtomicBool::new(true),
            fails: Mutex::default(),
            unfit: Mutex::default(),
            asked: Mutex::default(),
            recorded: Mutex::default(),
            gate: Arc::new((Mutex::new(true), Condvar::new())),
        })
    }

    /// What it says before the load.
    pub(crate) fn expecting(self: Arc<Self>, bytes: u64) -> Arc<Self> {
        self.expected.store(bytes, SeqCst);
        self
    }

    /// One session at most.
    pub(crate) fn one_at_a_time(self: Arc<Self>) -> Arc<Self> {
        self.is_single.store(true, SeqCst);
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

    /// These devices cannot run it.
    pub(crate) fn unfit_for(self: Arc<Self>, devices: &[Device]) -> Arc<Self> {
        self.unfit.lock().unwrap().extend(devices);
        self
    }

    /// The calls that its last load was to be warmed with.
    pub(crate) fn recorded(&self) -> Vec<String> {
        self.recorded.lock().unwrap().clone()
    }

    /// The devices that it was loaded for, in order.
    pub(crate) fn asked(&self) -> Vec<Device> {
        self.asked.lock().unwrap().clone()
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

    fn load(&self, device: Device, context: &LoadContext) -> Result<Arc<Model>, LoadError> {
        self.begun.fetch_add(1, SeqCst);
        *self.recorded.lock().unwrap() = context.recorded().iter().map(ToString::to_string).collect();
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
        if self.unfit.lock().unwrap().contains(&device) {
            return Err(LoadError::Device { device, why: "no operator of it runs there".to_owned() });
        }
        self.asked.lock().unwrap().push(device);
        let mut options = self.options.clone();
        if self.is_single.load(SeqCst) {
            options.sessions_max = Some(1);
        }
        self.runtime.load(self.bytes.clone(), options)
    }
}
