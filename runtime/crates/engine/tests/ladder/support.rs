//! An engine, functions whose code can be watched, and calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use modelet_engine::ports::{Code, CodeImage};
use modelet_engine::{Engine, EngineConfig, Function, FunctionSpec, Invocation, LoadError, Outcome, no_body};
use modelet_spec::manifest::Instances;
use modelet_spec::{Digest, EffectiveLimits, FunctionLimits, InvocationId, ServerLimits, TenantLimits};

/// Long enough for a loaded machine.
const BOUND: Duration = Duration::from_secs(60);

/// A little address space only: tests run side by side.
pub(crate) fn config() -> EngineConfig {
    let limits = ServerLimits { instances_total: 8, ..ServerLimits::default() };
    EngineConfig { limits, component_idle: Duration::from_secs(3600), ..EngineConfig::default() }
}

pub(crate) fn far() -> Instant {
    Instant::now() + BOUND
}

/// Machine code of a guest of `tests/guests`, which `cargo xtask test` builds before any test runs; compiled once for all tests.
pub(crate) fn code(guest: &str) -> Arc<[u8]> {
    static CODES: OnceLock<Mutex<BTreeMap<String, Arc<[u8]>>>> = OnceLock::new();
    let mut codes = CODES.get_or_init(Mutex::default).lock().unwrap();
    let make = || {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let file = target.join(format!("wasm32-wasip2/guest/examples/{guest}.wasm"));
        let wasm = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask test`", file.display()));
        Engine::new(config()).unwrap().compile(&wasm).unwrap().code.into()
    };
    codes.entry(guest.to_owned()).or_insert_with(make).clone()
}

/// Code in a file, as a store has it. Counts who asks.
pub(crate) struct Stored {
    dir: tempfile::TempDir,
    code: Arc<[u8]>,
    pub(crate) found: AtomicUsize,
    pub(crate) remade: AtomicUsize,
    /// Closed, it keeps whoever asks waiting.
    pub(crate) gate: Gate,
    /// Why there is none.
    pub(crate) broken: Mutex<Option<LoadError>>,
}

impl Stored {
    pub(crate) fn new(guest: &str) -> Arc<Self> {
        let stored = Self {
            dir: tempfile::tempdir().unwrap(),
            code: code(guest),
            found: AtomicUsize::new(0),
            remade: AtomicUsize::new(0),
            gate: Gate::default(),
            broken: Mutex::default(),
        };
        std::fs::write(stored.path(), &*stored.code).unwrap();
        Arc::new(stored)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("code.cwasm")
    }

    pub(crate) fn times_found(&self) -> usize {
        self.found.load(Ordering::SeqCst)
    }

    fn image(&self) -> CodeImage {
        CodeImage::File { path: self.path(), digest: Digest::of(&self.code) }
    }
}

impl Code for Stored {
    fn find(&self) -> Result<CodeImage, LoadError> {
        self.found.fetch_add(1, Ordering::SeqCst);
        self.gate.pass();
        match &*self.broken.lock().unwrap() {
            Some(why) => Err(why.clone()),
            None => Ok(self.image()),
        }
    }

    fn remake(&self) -> Result<CodeImage, LoadError> {
        self.remade.fetch_add(1, Ordering::SeqCst);
        // As the store does: written aside, renamed into its place.
        let aside = self.dir.path().join("aside");
        std::fs::write(&aside, &*self.code).unwrap();
        std::fs::rename(aside, self.path()).unwrap();
        Ok(self.image())
    }
}

/// Open until it is closed.
#[derive(Default)]
pub(crate) struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn close(&self) {
        *self.is_closed.lock().unwrap() = true;
    }

    pub(crate) fn open(&self) {
        *self.is_closed.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_closed = self.is_closed.lock().unwrap();
        // Bounded, so that a test that fails before it opens the gate ends.
        drop(self.opened.wait_timeout_while(is_closed, BOUND, |is_closed| *is_closed).unwrap());
    }
}

/// Instances that stay for as long as a test runs.
pub(crate) fn long() -> Instances {
    Instances { idle: Duration::from_secs(3600), ..Instances::default() }
}

pub(crate) fn function(engine: &Engine, code: &Arc<Stored>, name: &str, instances: Instances) -> Arc<Function> {
    let wish = FunctionLimits { time: Some(BOUND), concurrency: Some(4), ..FunctionLimits::default() };
    let limits = EffectiveLimits::of(&config().limits, &TenantLimits::default(), &wish);
    let spec = FunctionSpec { instances, ..FunctionSpec::new(name.parse().unwrap(), limits) };
    engine.function(code.clone(), spec)
}

pub(crate) async fn invoke_until(function: &Arc<Function>, deadline: Instant) -> Outcome {
    let request = http::Request::get("http://modelet.test/").body(no_body()).unwrap();
    let id = InvocationId::new(7);
    function
        .invoke(Invocation { id, deadline, request: Box::new(request), https: false, ended: None, spans: None })
        .await
}

/// The text of the answer.
pub(crate) async fn answer(function: &Arc<Function>) -> String {
    match invoke_until(function, far()).await {
        Outcome::Answered(answer) => {
            String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// Waits until `look` holds.
pub(crate) async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let end = far();
    while !look() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
