//! One call of a guest, from the hand-over of the request to the end of the guest, which may come after the answer.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use modelet_spec::InvocationId;
use modelet_spec::manifest::Reuse;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use crate::function::Function;
use crate::guest::Guest;
use crate::instance::Instance;
use crate::invoke::Invocation;
use crate::outcome::{Ended, Fault, FaultKind, ended_by};
use crate::pool::Pool;
use crate::ports::{ColdStart, Stage};
use crate::spans::Spans;
use crate::state::GuestState;
use crate::world::World;
use crate::{prepare, service};

/// What the guest set as its answer; or the error that it gave instead, in words.
pub(crate) type Answer = Result<http::Response<WasiBody>, String>;

type Call = Pin<Box<dyn Future<Output = (Option<Box<Instance>>, wasmtime::Result<()>)> + Send>>;
type Told = Box<dyn FnOnce(Ended) + Send + Sync>;

/// How often room is made for one instance.
const ROOM_TRIES: usize = 3;

/// How a guest ended, and whether it left a body unfinished.
pub(crate) struct End {
    pub(crate) ended: Ended,
    pub(crate) unfinished_body: bool,
}

/// A running call. Dropping it stops the guest at once; the instance goes with it.
pub(crate) struct Run {
    function: Arc<Function>,
    pool: Arc<Pool>,
    spans: Option<Arc<Spans>>,
    call: Option<Call>,
    answer: oneshot::Receiver<Answer>,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    told: Option<Told>,
    /// Set before the instance goes when its body is unfinished: the body's channel closes with the instance, and must not
    /// look as if the answer were whole.
    broken: Option<Arc<AtomicBool>>,
}

impl End {
    /// The guest goes on, and has given its body up.
    pub(crate) const UNFINISHED: Self = Self { ended: Ended::Finished, unfinished_body: true };
}

impl Run {
    /// Hands the request over. Nothing runs until the first poll.
    pub(crate) fn start(function: Arc<Function>, pool: Arc<Pool>, invocation: Invocation) -> Self {
        let (sender, answer) = oneshot::channel();
        let Invocation { id, deadline, request, https, ended: told, spans } = invocation;
        function.begin();
        let handover = Handover { id, deadline, request, https, sender, spans: spans.clone() };
        let call = Some(Box::pin(call(function.clone(), pool.clone(), handover)) as Call);
        Self { function, pool, spans, call, answer, deadline, sleep: None, told, broken: None }
    }

    /// The answer, once the guest has set it.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.try_recv().ok()
    }

    /// Whether the guest waits for the end of its body before it ends: then it is mostly done as soon as that is taken.
    pub(crate) fn awaits_its_body(&self) -> bool {
        self.pool.linked.pre.world() == World::Service
    }

    /// Runs the guest until it ends, waits, or has had its turn.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Some(call) = self.call.as_mut() else {
            return Poll::Pending;
        };
        match std::panic::catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(Poll::Ready((instance, result))) => Poll::Ready(self.finish(instance, result)),
            Ok(Poll::Pending) if self.is_late(cx) => {
                Poll::Ready(self.stop(Ended::timed_out("it was waiting in a host call")))
            }
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => {
                let detail = panic_text(panic.as_ref());
                let fault = Fault::new(FaultKind::Host, "an internal error ended the function", detail);
                Poll::Ready(self.stop(Ended::HostFault(fault)))
            }
        }
    }

    /// Runs the guest to its end and tells about it: for what is left to do after the answer. `broken`: to be set when it
    /// leaves its body unfinished; none when the body is whole already.
    pub(crate) async fn outlive_answer(mut self, broken: Option<Arc<AtomicBool>>) {
        self.broken = broken;
        let end = std::future::poll_fn(|cx| self.poll_end(cx)).await;
        self.tell(end.ended);
    }

    /// Tells how the guest ended, once.
    pub(crate) fn tell(&mut self, ended: Ended) {
        if let Some(told) = self.told.take() {
            told(ended);
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if Instant::now() >= self.deadline {
            return true;
        }
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        sleep.as_mut().poll(cx).is_ready()
    }

    /// Keeps the instance when nothing speaks against it.
    fn finish(&mut self, instance: Option<Box<Instance>>, result: wasmtime::Result<()>) -> End {
        let mut end = End { ended: Ended::Finished, unfinished_body: false };
        match (instance, result) {
            (Some(mut instance), result) => {
                end.unfinished_body = instance.has_unfinished_body();
                if end.unfinished_body {
                    self.break_off();
                }
                instance.store.data().log.finish();
                self.function.tell_waited(instance.store.data().waited, self.spans.as_deref());
                match result {
                    Ok(()) if !end.unfinished_body => self.keep(instance),
                    Ok(()) => {}
                    Err(error) => end.ended = ended_by(&error, instance.store.data_mut().limiter.take_refused()),
                }
            }
            (None, Err(error)) => end.ended = ended_by(&error, None),
            (None, Ok(())) => {}
        }
        self.release();
        end
    }

    fn keep(&self, mut instance: Box<Instance>) {
        if self.function.spec().instances.reuse == Reuse::Instance && instance.rest() {
            // What is not kept goes here.
            drop(self.pool.warm.put(instance, Instant::now()));
        }
    }

    fn stop(&mut self, ended: Ended) -> End {
        self.break_off();
        self.release();
        End { ended, unfinished_body: true }
    }

    fn break_off(&self) {
        if let Some(broken) = &self.broken {
            broken.store(true, Ordering::Release);
        }
    }

    /// The guest no longer runs; what is left of it goes.
    fn release(&mut self) {
        if self.call.take().is_some() {
            self.function.end();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.release();
        self.tell(Ended::Cancelled);
    }
}

struct Handover {
    id: InvocationId,
    deadline: Instant,
    request: http::Request<crate::RequestBody>,
    https: bool,
    sender: oneshot::Sender<Answer>,
    spans: Option<Arc<Spans>>,
}

/// Takes a warm instance or makes one, and calls it.
async fn call(
    function: Arc<Function>,
    pool: Arc<Pool>,
    handover: Handover,
) -> (Option<Box<Instance>>, wasmtime::Result<()>) {
    let warm = pool.take();
    if function.spec().instances.reuse == Reuse::Request {
        prepare::next(&function, &pool);
    }
    let made = match warm {
        Some(instance) => Ok(instance),
        None => {
            let asked = Instant::now();
            let made = make(&function, &pool, handover.id, handover.deadline).await;
            let took = asked.elapsed();
            function.tell_stage(Stage::Instantiate, took, handover.spans.as_deref());
            function.tell_cold_start(ColdStart::Instance, took);
            made
        }
    };
    let mut instance = match made {
        Ok(instance) => instance,
        Err(error) => return (None, Err(error)),
    };
    let result = handle(&mut instance, handover).await;
    (Some(instance), result)
}

/// A new instance; when the engine is full, again after those that have been idle longest have gone. Others may be quicker to take
/// their places, so a few times.
async fn make(
    function: &Function,
    pool: &Pool,
    id: InvocationId,
    deadline: Instant,
) -> wasmtime::Result<Box<Instance>> {
    for _ in 0..ROOM_TRIES {
        match Instance::new(function, pool, id, deadline).await {
            Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() && function.shared().make_room() => {}
            result => return result,
        }
    }
    Instance::new(function, pool, id, deadline).await
}

async fn handle(instance: &mut Instance, handover: Handover) -> wasmtime::Result<()> {
    instance.served = instance.served.saturating_add(1);
    let Instance { store, guest, .. } = instance;
    let Handover { id, deadline, request, https, sender, .. } = handover;
    store.data_mut().begin(id, deadline);
    store.set_epoch_deadline(1);
    match guest {
        Guest::Proxy(proxy) => handle_by_proxy(store, proxy, request, https, sender).await,
        Guest::Service(guest) => service::handle(store, guest, request, https, sender).await,
    }
}

/// Calls a guest of `wasi:http` 0.2.
async fn handle_by_proxy(
    store: &mut Store<GuestState>,
    proxy: &Proxy,
    request: http::Request<crate::RequestBody>,
    https: bool,
    sender: oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    let state = store.data_mut();
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    state.hooks.admitting = true;
    let mut http = state.http();
    let request = http.new_incoming_request(scheme, request);
    // The caller may have gone; that is no business of the guest's.
    let answer = |answer: Result<_, _>| drop(sender.send(answer.map_err(|code| format!("{code:?}"))));
    let out = http.new_response_outparam_from_callback(answer)?;
    state.hooks.admitting = false;
    proxy.wasi_http_incoming_handler().call_handle(store, request?, out).await
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
