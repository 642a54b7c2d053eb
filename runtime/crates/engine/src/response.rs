//! The response body: what was ready at once in one piece, the rest as a stream with the guest behind it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;
use wasmtime_wasi_http::WasiBody;

use crate::outcome::{Fault, FaultKind};
use crate::run::{End, Run};

/// How much of an answer is gathered before it is sent as a stream, in bytes.
const GATHER_MAX: u64 = 64 << 10;

/// The body of an answer. Dropping it before its end stops the guest behind it.
#[derive(Debug)]
pub struct ResponseBody {
    ready: Pieces,
    trailers: Option<HeaderMap>,
    rest: Option<Rest>,
}

/// What is there of a body. Most have one piece, for which nothing is allocated.
#[derive(Debug, Default)]
struct Pieces {
    first: Option<Bytes>,
    more: VecDeque<Bytes>,
}

/// Why a body broke off; the connection must then not look as if the answer were whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The guest ended before it finished its body.
    #[error("the function ended before it finished its answer")]
    Broken,
    /// The body is longer than the limit, in bytes.
    #[error("the answer is longer than its limit of {0} bytes")]
    TooLarge(u64),
}

/// What a body that streams and the guest behind it tell each other.
#[derive(Debug, Default)]
pub(crate) struct Tie {
    /// The guest ended badly before the body's end.
    broken: AtomicBool,
    /// The body became longer than it may, and the guest is stopped for it.
    too_long: AtomicBool,
}

impl Tie {
    /// To be called before the instance goes whose body is unfinished: the body's channel closes with the instance, and must not
    /// look as if the answer were whole.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Whether the guest was stopped because its answer is too long.
    pub(crate) fn is_too_long(&self) -> bool {
        self.too_long.load(Ordering::Acquire)
    }
}

/// What is said of an answer that is longer than `limit` bytes.
pub(crate) fn too_long(limit: u64) -> Fault {
    let why = format!("the answer is longer than its limit of {limit} bytes");
    Fault::new(FaultKind::Response, why.clone(), why)
}

/// The part that the guest has yet to write.
struct Rest {
    body: WasiBody,
    /// Bytes that the answer may still have.
    left: u64,
    limit: u64,
    guest: Option<AbortHandle>,
    tie: Arc<Tie>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(guest) = self.guest.take() {
            guest.abort();
        }
    }
}

/// Collects what the guest writes without waiting.
pub(crate) struct Gather {
    body: WasiBody,
    chunks: Pieces,
    trailers: Option<HeaderMap>,
    bytes: u64,
    limit: u64,
    over: bool,
    done: bool,
    /// The guest gave its body up, or wrote another length than it had announced.
    broken: bool,
}

impl Gather {
    pub(crate) fn new(body: WasiBody, limit: u64) -> Self {
        Self {
            body,
            chunks: Pieces::default(),
            trailers: None,
            bytes: 0,
            limit,
            over: false,
            done: false,
            broken: false,
        }
    }

    /// Takes turns with the guest until neither gets on.
    pub(crate) fn poll(&mut self, run: &mut Run, end: &mut Option<End>, cx: &mut Context<'_>) {
        self.drain(cx);
        while end.is_none() && !self.over && self.bytes <= GATHER_MAX {
            let before = self.bytes;
            if let Poll::Ready(ended) = run.poll_end(cx) {
                *end = Some(ended);
            }
            self.drain(cx);
            if self.done || self.bytes == before {
                break;
            }
        }
        // Its instance is then back before the answer is out, and no task has to see to that.
        if self.done
            && end.is_none()
            && run.awaits_its_body()
            && let Poll::Ready(ended) = run.poll_end(cx)
        {
            *end = Some(ended);
        }
    }

    /// Takes the frames that are there.
    fn drain(&mut self, cx: &mut Context<'_>) {
        while !self.done && !self.over {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.add(frame),
                Poll::Ready(None) => self.done = true,
                Poll::Ready(Some(Err(_))) => (self.done, self.broken) = (true, true),
                Poll::Pending => return,
            }
        }
    }

    fn add(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => {
                self.bytes = self.bytes.saturating_add(data.len() as u64);
                self.over = self.bytes > self.limit;
                self.chunks.push(data);
            }
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
                self.done = true;
            }
        }
    }

    /// The fault, when the answer is already longer than it may be.
    pub(crate) fn over_limit(&self) -> Option<Fault> {
        self.over.then(|| too_long(self.limit))
    }

    /// Whether the guest broke its answer off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The body. `guest`: what still runs; it goes on in a task, and stops with the body when that is not at its end.
    pub(crate) fn into_body(self, guest: Option<Run>) -> Box<ResponseBody> {
        if self.done {
            if let Some(run) = guest {
                tokio::spawn(run.outlive_answer(None));
            }
            return Box::new(ResponseBody { ready: self.chunks.joined(), trailers: self.trailers, rest: None });
        }
        let tie = Arc::<Tie>::default();
        let task = guest.map(|run| tokio::spawn(run.outlive_answer(Some(tie.clone()))).abort_handle());
        let left = self.limit.saturating_sub(self.bytes);
        let rest = Rest { body: self.body, left, limit: self.limit, guest: task, tie };
        Box::new(ResponseBody { ready: self.chunks, trailers: None, rest: Some(rest) })
    }
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some(piece);
        } else {
            self.more.push_back(piece);
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        self.first.take().or_else(|| self.more.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }

    fn bytes(&self) -> usize {
        self.first.iter().chain(&self.more).map(Bytes::len).sum()
    }

    /// One piece: the server then writes head and body in one call.
    fn joined(self) -> Self {
        if self.more.is_empty() {
            return self;
        }
        let mut all = BytesMut::with_capacity(self.bytes());
        self.first.iter().chain(&self.more).for_each(|piece| all.extend_from_slice(piece));
        Self { first: Some(all.freeze()), more: VecDeque::new() }
    }
}

impl Rest {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) if self.tie.broken.load(Ordering::Acquire) => return self.fail(ResponseError::Broken),
            Poll::Ready(None) => {
                self.guest = None;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(_))) => return self.fail(ResponseError::Broken),
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        if frame.is_trailers() {
            self.guest = None;
        }
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                self.tie.too_long.store(true, Ordering::Release);
                return self.fail(ResponseError::TooLarge(self.limit));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn fail(&mut self, error: ResponseError) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        if let Some(guest) = self.guest.take() {
            guest.abort();
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        if let Some(data) = self.ready.pop() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(rest) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = rest.poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.trailers.is_none() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.bytes() as u64;
        let mut hint = SizeHint::with_exact(ready);
        if self.rest.is_some() {
            hint = SizeHint::default();
            hint.set_lower(ready);
        }
        hint
    }
}
