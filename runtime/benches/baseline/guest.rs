//! What both drivers share: the component, the host's state for it, and the engine's very settings.

use std::convert::Infallible;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::http;
use modelet_spec::ServerLimits;
use tokio::sync::oneshot;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

#[path = "../../crates/engine/src/settings.rs"]
mod settings;

/// As the engine's ticker.
const TICK: Duration = Duration::from_millis(10);

/// The least that a guest of `wasi:http` needs.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Offline,
    table: ResourceTable,
    limits: StoreLimits,
}

/// Nothing is sent: wasmtime's own client is no part of this workspace.
struct Offline;

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Offline {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Compiles and links a component, and starts the epoch's ticks.
///
/// `concurrent`: with the bookkeeping of the component model's async support, which `wasmtime_wasi_http::handler` needs.
pub(crate) fn load(guest: &Path, concurrent: bool) -> Result<ProxyPre<State>> {
    load_with(guest, |config| {
        config.concurrency_support(concurrent);
    })
}

/// The same with a change of the engine's settings.
pub(crate) fn load_with(guest: &Path, change: impl FnOnce(&mut Config)) -> Result<ProxyPre<State>> {
    let mut config = settings::config(&ServerLimits::default());
    change(&mut config);
    let engine = Engine::new(&config)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let wasm = std::fs::read(guest).with_context(|| format!("reading {}", guest.display()))?;
    let component = Component::new(&engine, wasm)?;
    let pre = ProxyPre::new(linker.instantiate_pre(&component)?)?;
    thread::spawn(move || {
        loop {
            thread::sleep(TICK);
            engine.increment_epoch();
        }
    });
    Ok(pre)
}

/// A store for one instance, with the limits that wasmtime itself keeps.
pub(crate) fn store(pre: &ProxyPre<State>) -> Store<State> {
    let server = ServerLimits::default();
    let mut table = ResourceTable::new();
    table.set_max_capacity(usize::try_from(server.resources).unwrap_or(usize::MAX));
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(server.header_bytes.as_len());
    let limits = StoreLimitsBuilder::new().memory_size(server.memory.as_len()).build();
    let state = State { wasi: WasiCtx::builder().build(), http, hooks: Offline, table, limits };
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(server.hostcall_bytes.as_len());
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(1);
    store
}

/// One request to an instance, and its whole answer.
///
/// # Errors
/// When the guest fails, or answers with another status than 200.
pub(crate) async fn ask(store: &mut Store<State>, proxy: &Proxy, target: &str, body: Bytes) -> Result<Bytes> {
    let body = Full::new(body).map_err(|never: Infallible| -> Error { match never {} });
    let request = http::Request::post(format!("http://bench{target}")).body(body)?;
    let (sender, receiver) = oneshot::channel();
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request)?;
    let out = http.new_response_outparam(sender)?;
    store.set_epoch_deadline(1);
    let answer = async {
        let response = receiver.await.context("no answer")??;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == 200, "the guest says {status} {}", String::from_utf8_lossy(&body));
        anyhow::Ok(body)
    };
    let (ended, answer) =
        tokio::join!(proxy.wasi_http_incoming_handler().call_handle(&mut *store, request, out), answer);
    ended?;
    answer
}
