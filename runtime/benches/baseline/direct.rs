//! `ProxyPre` and `call_handle` on an engine without concurrency support, with warm instances and nothing else: no routes,
//! no permits, no deadline, no limits, no header rules, no ids, no metrics.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::guest::{self, State};
use super::listen::Answers;

/// The driver.
pub(crate) struct Direct {
    pre: ProxyPre<State>,
    idle: Mutex<Vec<Instance>>,
}

struct Instance {
    store: Store<State>,
    proxy: Proxy,
}

impl Direct {
    /// Loads the guest.
    ///
    /// # Errors
    /// When it is no component of `wasi:http`.
    pub(crate) fn new(guest: &Path) -> Result<Self> {
        Ok(Self { pre: guest::load(guest, false)?, idle: Mutex::default() })
    }

    async fn instance(&self) -> Result<Instance> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(instance) = idle {
            return Ok(instance);
        }
        let mut store = guest::store(&self.pre);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance { store, proxy })
    }

    fn keep(&self, instance: Instance, result: wasmtime::Result<()>) {
        match result {
            Ok(()) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance),
            Err(error) => eprintln!("baseline: {error:?}"),
        }
    }
}

impl Answers for Direct {
    type Body = HyperOutgoingBody;

    /// Runs the guest on this very task until it has answered; what is left of it then goes on in one of its own.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Self::Body>> {
        let mut instance = self.instance().await?;
        let (sender, mut receiver) = oneshot::channel();
        let mut http = instance.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request)?;
        let out = http.new_response_outparam(sender)?;
        instance.store.set_epoch_deadline(1);
        let mut call = Box::pin(async move {
            let result =
                instance.proxy.wasi_http_incoming_handler().call_handle(&mut instance.store, request, out).await;
            (instance, result)
        });
        let answer = tokio::select! {
            biased;
            (instance, result) = &mut call => {
                self.keep(instance, result);
                receiver.await
            }
            answer = &mut receiver => {
                tokio::spawn(async move {
                    let (instance, result) = call.await;
                    self.keep(instance, result);
                });
                answer
            }
        };
        Ok(answer.context("no answer")??)
    }
}
