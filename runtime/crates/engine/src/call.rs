//! The call of a guest: an instance for it, and the request as the guest sees it.

use std::sync::Arc;
use std::time::Instant;

use http_body::Body as _;
use modelet_spec::InvocationId;
use modelet_spec::manifest::Reuse;
use tokio::sync::oneshot;
use wasmtime::component::Resource;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use crate::function::Function;
use crate::handler::Handler;
use crate::host::held::REQUEST;
use crate::instance::Instance;
use crate::pool::Pool;
use crate::ports::{ColdStart, Stage};
use crate::run::Answer;
use crate::spans::Spans;
use crate::state::GuestState;
use crate::{prepare, service};

/// How often room is made for one instance.
const ROOM_TRIES: usize = 3;

/// A request on its way to an instance.
pub(crate) struct Handover {
    pub(crate) id: InvocationId,
    pub(crate) deadline: Instant,
    /// Boxed: the future of a call is moved, and would have room for several.
    pub(crate) request: Box<http::Request<crate::RequestBody>>,
    pub(crate) https: bool,
    pub(crate) sender: oneshot::Sender<Answer>,
    pub(crate) spans: Option<Arc<Spans>>,
}

/// Takes a warm instance or makes one, and calls it.
pub(crate) async fn call(
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
        // Boxed: it is rare, and the future of every call would have room for it.
        None => {
            let whose = (handover.id, handover.deadline);
            Box::pin(make_for(&function, &pool, whose, handover.spans.as_deref())).await
        }
    };
    let mut instance = match made {
        Ok(instance) => instance,
        Err(error) => return (None, Err(error)),
    };
    let result = handle(&mut instance, handover).await;
    (Some(instance), result)
}

/// A new instance for a request that found none.
pub(crate) async fn make_for(
    function: &Function,
    pool: &Pool,
    (id, deadline): (InvocationId, Instant),
    spans: Option<&Spans>,
) -> wasmtime::Result<Box<Instance>> {
    let asked = Instant::now();
    let made = make(function, pool, id, deadline).await;
    let took = asked.elapsed();
    function.tell_stage(Stage::Instantiate, took, spans);
    function.tell_cold_start(ColdStart::Instance, took);
    made
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
    let Instance { store, handler, .. } = instance;
    let Handover { id, deadline, request, https, sender, .. } = handover;
    let state = store.data_mut();
    state.begin(id, deadline);
    state.hold(REQUEST)?;
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    match handler {
        // A guest of `wasi:http` 0.2.
        Handler::Proxy(proxy) => {
            let (request, out) = admit(state, *request, https, sender)?;
            proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
        }
        Handler::Service(service) => service::handle(store, service, *request, https, sender).await,
    }
}

/// The request as a guest of `wasi:http` 0.2 sees it, and where it sets its answer.
fn admit(
    state: &mut GuestState,
    request: http::Request<crate::RequestBody>,
    https: bool,
    sender: oneshot::Sender<Answer>,
) -> wasmtime::Result<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>)> {
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    state.hooks.admitting = true;
    let mut http = state.http();
    let request = match request.body().is_end_stream() {
        // wasmtime puts a box around every body; for this one nothing is allocated.
        true => http.new_incoming_request(scheme, request.map(|_| crate::request::nothing())),
        false => http.new_incoming_request(scheme, request),
    };
    // The caller may have gone; that is no business of the guest's.
    let answer = |answer: Result<_, _>| drop(sender.send(answer.map_err(|code| format!("{code:?}"))));
    let out = http.new_response_outparam_from_callback(answer)?;
    state.hooks.admitting = false;
    Ok((request?, out))
}
