//! `wasmtime_wasi_http::handler`, the driver of `wasmtime serve`: it needs concurrency support, and can drive guests of 0.3.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use anyhow::Result;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p2};

use super::guest::{self, State};
use super::listen::Answers;

/// The driver.
pub(crate) struct Handler {
    handler: ProxyHandler<Guest>,
}

struct Guest {
    pre: ProxyPre<State>,
    linked: p2::bindings::ProxyPre<State>,
}

/// Workers live as long as the bench.
struct Never;

/// An instance takes one request at a time, as many as come.
struct OneByOne;

impl Handler {
    /// Loads the guest.
    ///
    /// # Errors
    /// When it is no component of `wasi:http`.
    pub(crate) fn new(guest: &Path) -> Result<Self> {
        let linked = guest::load(guest, true)?;
        Ok(Self { handler: ProxyHandler::new(Guest { pre: ProxyPre::P2(linked.clone()), linked }) })
    }
}

impl Answers for Handler {
    type Body = WasiBody;

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Self::Body>> {
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        Ok(self.handler.handle((), request).await?)
    }
}

impl WorkerExpiration for Never {
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>, _: WorkerStatus, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

impl WorkerState for OneByOne {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, _: usize) -> ShouldAccept {
        if concurrent == 0 { ShouldAccept::Yes } else { ShouldAccept::No }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, _: Store<State>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            eprintln!("baseline: {error:?}");
        }
    }
}

impl HandlerState for Guest {
    type StoreData = State;
    type WorkerExpiration = Never;
    type WorkerState = OneByOne;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Never, OneByOne>> {
        let mut store = guest::store(&self.linked);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance { store, proxy, view: WasiHttpView::http, expiration: Never, state: OneByOne })
    }
}
