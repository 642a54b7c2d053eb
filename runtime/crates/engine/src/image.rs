//! Warm-start images: a component whose `init` has run, with the memory that it left behind.
//!
//! `init` runs once, before the component is compiled for good, with nothing behind its imports: no environment, clock or random
//! number can get into what every instance begins with. What it must not do ends it, and then there is no image: the component
//! is used as it is. Bounds: its linear memory and tables, its time on a processor, the image's bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, Linker, TypedFunc, WasmList};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::limiter::{Allowed, Limiter};
use crate::outcome::PastDeadline;
use crate::settings;

/// The export that is run, of type `func()`.
pub(crate) const INIT: &str = "init";

/// How often a running `init` is looked at.
const TICK: Duration = Duration::from_millis(10);

/// Reading an instance's memory out takes a page of it, twice for each memory.
const READING_BYTES: u64 = 8 << 20;

/// How wasmtime begins what it says of a call that leads nowhere; it has no type for that.
const UNKNOWN_IMPORT: &str = "unknown import: `";

/// What `init` and its image may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Linear memories, in bytes.
    pub memory_bytes: u64,
    /// Elements of all tables.
    pub table_elements: u64,
    /// The component with its image, in bytes.
    pub component_bytes: u64,
    /// Time on a processor that `init` may take.
    pub cpu: Duration,
}

/// Why there is no image. The component works as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    /// The component has something that cannot be snapshotted, or `init` is no `func()`.
    #[error("an image of it cannot be made: {0}")]
    Unsupported(String),
    /// `init` called the host, trapped, or got no memory.
    #[error("its `init` did not return: {0}")]
    Ended(String),
    /// `init` took too long.
    #[error("its `init` took more than {} s of processor time and was stopped", .0.as_secs_f64())]
    TooLong(Duration),
    /// What `init` left is more than a component may have.
    #[error(
        "with what its `init` left in memory the component would have {bytes} bytes, {limit} are allowed (server limit `component_bytes`)"
    )]
    TooLarge {
        /// The bytes of the component with its image.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// The component with what its `init` leaves in memory. Takes a compilation's time, beside what `init` takes. `cpu` tells how long
/// this process has computed; nothing else may do so meanwhile.
///
/// # Errors
/// See [`NoImage`].
pub fn image(wasm: &[u8], limits: ImageLimits, cpu: fn() -> Duration) -> Result<Vec<u8>, NoImage> {
    // What takes the snapshot panics at what it has not thought of.
    let made = catch_unwind(AssertUnwindSafe(|| make(wasm, limits, cpu)));
    let image = made.unwrap_or_else(|_| Err(NoImage::Unsupported("taking the snapshot failed".to_owned())))?;
    let (bytes, limit) = (image.len() as u64, limits.component_bytes);
    if bytes > limit { Err(NoImage::TooLarge { bytes, limit }) } else { Ok(image) }
}

fn make(wasm: &[u8], limits: ImageLimits, cpu: fn() -> Duration) -> Result<Vec<u8>, NoImage> {
    let unsupported = |error: wasmtime::Error| NoImage::Unsupported(one_line(&error));
    let mut wizer = Wizer::new();
    // Without the export, which others in the component refer to, it would be an invalid one.
    wizer.init_func(INIT).keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(wasm).map_err(unsupported)?;
    let engine = Engine::new(&settings::once()).map_err(unsupported)?;
    let component = Component::new(&engine, &instrumented).map_err(unsupported)?;
    drop(instrumented);
    let mut running = Running::new(&engine, limits, cpu);
    running.init(&component)?;
    let mut unread = None;
    let image =
        at_once(wizer.snapshot_component(&context, &mut Reading { running: &mut running, failed: &mut unread }));
    match unread {
        Some(error) => Err(unsupported(error)),
        None => image.map_err(unsupported),
    }
}

/// A component whose `init` runs, or has run.
struct Running {
    store: Store<Limiter>,
    instance: Option<Instance>,
    limits: ImageLimits,
}

impl Running {
    fn new(engine: &Engine, limits: ImageLimits, cpu: fn() -> Duration) -> Self {
        let mut store = Store::new(engine, limiter(limits, 0));
        store.limiter(|limiter| limiter);
        let end = cpu().saturating_add(limits.cpu);
        store.epoch_deadline_callback(move |_| {
            if cpu() < end { Ok(UpdateDeadline::Continue(1)) } else { Err(PastDeadline.into()) }
        });
        store.set_epoch_deadline(1);
        let weak = engine.weak();
        // Ends with the engine.
        thread::spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        });
        Self { store, instance: None, limits }
    }

    /// Instantiates the component without a host, and calls its `init`.
    fn init(&mut self, component: &Component) -> Result<(), NoImage> {
        let mut linker = Linker::new(component.engine());
        let unsupported = |error: wasmtime::Error| NoImage::Unsupported(one_line(&error));
        linker.define_unknown_imports_as_traps(component).map_err(unsupported)?;
        let instance = linker.instantiate(&mut self.store, component);
        let instance = instance.map_err(|error| self.ended(&error))?;
        let init: TypedFunc<(), ()> = instance.get_typed_func(&mut self.store, INIT).map_err(unsupported)?;
        init.call(&mut self.store, ()).map_err(|error| self.ended(&error))?;
        // What is read out of it now is no doing of its own.
        *self.store.data_mut() = limiter(self.limits, READING_BYTES);
        self.instance = Some(instance);
        Ok(())
    }

    fn ended(&mut self, error: &wasmtime::Error) -> NoImage {
        if error.is::<PastDeadline>() {
            return NoImage::TooLong(self.limits.cpu);
        }
        let called = error.root_cause().to_string();
        let called = called.strip_prefix(UNKNOWN_IMPORT).and_then(|rest| rest.split('`').next());
        NoImage::Ended(match (self.store.data_mut().take_refused(), called) {
            (Some(refused), _) => refused.to_string(),
            (None, Some(import)) => format!("it called `{import}`, and it runs without a host"),
            (None, None) => one_line(error),
        })
    }

    fn call<R: ComponentNamedList + Lift + 'static>(&mut self, instance: &str, function: &str) -> wasmtime::Result<R> {
        let store = &mut self.store;
        let live = self.instance.ok_or_else(|| wasmtime::format_err!("nothing runs"))?;
        let missing = || wasmtime::format_err!("no `{instance}#{function}` to read by");
        let (_, outer) = live.get_export(&mut *store, None, instance).ok_or_else(missing)?;
        let (_, inner) = live.get_export(&mut *store, Some(&outer), function).ok_or_else(missing)?;
        live.get_typed_func::<(), R>(&mut *store, inner)?.call(&mut *store, ())
    }
}

/// What `init` may take, and so many bytes of memory more. It has no tensors: it has no host.
fn limiter(limits: ImageLimits, more: u64) -> Limiter {
    let memory = limits.memory_bytes.saturating_add(more);
    Limiter::new(Allowed { memory, table: limits.table_elements, tensors: 0 })
}

/// Reads what is in a component's globals and memories, for the snapshot; remembers the first failure.
struct Reading<'a> {
    running: &'a mut Running,
    failed: &'a mut Option<wasmtime::Error>,
}

impl Reading<'_> {
    fn value<R: Lift + Default + 'static>(&mut self, instance: &str, function: &str) -> R {
        let read = self.running.call::<(R,)>(instance, function);
        read.map(|(value,)| value).unwrap_or_else(|error| self.fail(error))
    }

    fn fail<R: Default>(&mut self, error: wasmtime::Error) -> R {
        self.failed.get_or_insert(error);
        R::default()
    }
}

impl ComponentInstanceState for Reading<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.running.call::<(WasmList<u8>,)>(instance, func) {
            Ok((bytes,)) => contents(bytes.as_le_slice(&self.running.store)),
            Err(error) => {
                self.fail::<()>(error);
                contents(&[]);
            }
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.value(instance, func)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.value(instance, func)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.value::<f32>(instance, func).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.value::<f64>(instance, func).to_bits()
    }
}

/// The value of a future that waits for nothing.
fn at_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => Err(wasmtime::format_err!("the snapshot waits for something")),
    }
}

/// An error with its causes, without the guest's backtrace.
fn one_line(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).filter(|cause| !cause.contains('\n')).collect();
    causes.join(": ")
}
