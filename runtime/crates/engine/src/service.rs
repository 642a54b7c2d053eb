//! One call of a guest of `wasi:http` 0.3: the request goes in, the answer comes out, and the guest goes on until its tasks are done.
//!
//! The host runs all tasks of an instance by turns, and what moves the bytes of a body from the guest into the answer is one of
//! these tasks. So a call is over only when the body has come to its end, or whoever took it has dropped it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderValue;
use http::uri::{Authority, Scheme};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::request::RequestBody;
use crate::run::Answer;
use crate::state::GuestState;

/// Calls the guest, and returns when nothing of the call is left to do.
///
/// # Errors
/// When the guest traps, or a host call ends it.
pub(crate) async fn handle(
    store: &mut Store<GuestState>,
    service: &Service,
    request: http::Request<RequestBody>,
    https: bool,
    sender: oneshot::Sender<Answer>,
) -> wasmtime::Result<()> {
    let request = admit(store.data_mut(), request, https)?;
    let call = async |accessor: &Accessor<GuestState>| -> wasmtime::Result<()> {
        let (request, sender) = (request, sender);
        match service.handle(accessor, request).await? {
            Ok(response) => {
                accessor.with(|mut store| store.get().answering = true);
                pass_on(accessor, response, sender, None).await?;
                accessor.with(|mut store| store.get().answering = false);
            }
            // Nobody is left to hear it when the caller has gone.
            Err(code) => drop(sender.send(Err(format!("{code:?}")))),
        }
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        Ok(())
    };
    store.run_concurrent(call).await?
}

/// The request as the guest sees it: with the headers that it may see, and an origin.
pub(crate) fn admit(
    state: &mut GuestState,
    request: http::Request<RequestBody>,
    https: bool,
) -> wasmtime::Result<Request> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => authority_of(request.headers().get(http::header::HOST))?,
    };
    state.hooks.admitting = true;
    // What the guest says of the body's end is of no use to the client, who sends it either way.
    let (mut request, _) = Request::from_http(&mut state.hooks, request);
    state.hooks.admitting = false;
    request.scheme = Some(if https { Scheme::HTTPS } else { Scheme::HTTP });
    request.authority = Some(authority);
    Ok(request)
}

fn authority_of(host: Option<&HeaderValue>) -> wasmtime::Result<Authority> {
    let host = host.ok_or_else(|| wasmtime::format_err!("a request without a host"))?;
    Ok(Authority::try_from(host.as_bytes())?)
}

/// Hands the answer out, and runs the guest until its body is at its end. `cut`: where it may be cut off before that.
///
/// # Errors
/// When the answer is none that can be sent.
pub(crate) async fn pass_on(
    accessor: &Accessor<GuestState>,
    response: Response,
    sender: oneshot::Sender<Answer>,
    cut: Option<Arc<Cut>>,
) -> wasmtime::Result<()> {
    let (ended, end) = oneshot::channel();
    let (sent, is_sent) = oneshot::channel();
    let told = async move { is_sent.await.unwrap_or(Err(Error::ConnectionTerminated)) };
    let response = accessor.with(|store| response.into_http(store, told))?;
    let watched = response.map(|body| Watched { body, signal: Some(Signal { ended, sent }), cut }.boxed_unsync());
    drop(sender.send(Ok(watched)));
    // An error is the same: whoever had the body dropped it.
    let _ = end.await;
    Ok(())
}

/// A body that says when it is at its end.
struct Watched {
    body: WasiBody,
    signal: Option<Signal>,
    /// Where it may end before its guest does.
    cut: Option<Arc<Cut>>,
}

/// What a body is cut off by whose request has been told its end: what its guest, or others in the same instance, do from then on is no
/// part of it.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    is_cut: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Cut {
    /// To be called before the instance goes: a body that ends with it must not look whole.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    fn is_cut(&self, cx: &Context<'_>) -> bool {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        self.is_cut.load(Ordering::Acquire)
    }
}

/// Who hears of a body's end.
struct Signal {
    /// The call, which ends then.
    ended: oneshot::Sender<()>,
    /// The guest, which may want to know how it went.
    sent: oneshot::Sender<Result<(), Error>>,
}

impl Watched {
    fn tell(&mut self, how: Result<(), Error>) {
        if let Some(Signal { ended, sent }) = self.signal.take() {
            let _ = (sent.send(how), ended.send(()));
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.signal.is_some() && self.cut.as_ref().is_some_and(|cut| cut.is_cut(cx)) {
            self.tell(Err(Error::ConnectionTerminated));
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {}
            Poll::Ready(None | Some(Ok(_))) => self.tell(Ok(())),
            Poll::Ready(Some(Err(_))) => self.tell(Err(Error::HttpProtocolError)),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
