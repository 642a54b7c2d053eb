//! Copies of requests for the version that is a function's shadow: its answers are compared with those that clients got, and
//! thrown away.
//!
//! A client waits for none of it. What goes by is kept, as references to the same bytes, up to a limit; only when the answer has
//! gone out whole the copy is sent, if there is a place. What cannot be kept or sent is dropped and counted. A copy takes no
//! permit that a request could wait for, and the shadow changes nothing outside: it finds no key-value store, and nothing leaves it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use modelet_catalog::{Difference, Tally, Verdict};
use modelet_engine::{Invocation, Outcome, RequestBody, RequestBodyError, ResponseBody, no_body, request_body};
use modelet_spec::InvocationId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::gateway::{Gateway, Served};
use crate::id;
use crate::respond::status_label;

/// Requests of which a copy is kept at a time, in the whole server: with [`BYTES_MAX`] for each way, 16 MiB at most.
const KEPT_MAX: usize = 32;
/// Copies that run at a time, in the whole server: they take processors that clients wait for.
const RUNNING_MAX: usize = 4;
/// What is kept of a request's body, and of an answer's, in bytes.
const BYTES_MAX: usize = 256 << 10;

/// The places for copies.
#[derive(Debug)]
pub(crate) struct Shadows {
    kept: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// What is kept of one request and of its answer.
#[derive(Debug)]
pub(crate) struct Copied {
    shadow: Served,
    tally: Arc<Tally>,
    head: Request<()>,
    https: bool,
    body: Arc<Kept>,
    answer: Pieces,
    place: OwnedSemaphorePermit,
}

/// A request's body as far as the guest has read it.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<(Pieces, bool)>);

/// Bytes as they went by.
#[derive(Debug, Default)]
struct Pieces {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Shadows {
    /// All places are free.
    pub(crate) fn new() -> Self {
        Self { kept: Arc::new(Semaphore::new(KEPT_MAX)), running: Arc::new(Semaphore::new(RUNNING_MAX)) }
    }
}

impl Pieces {
    /// Keeps a piece, unless all together are too much; then the others go, too.
    fn add(&mut self, piece: &Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.is_too_large() {
            self.pieces = Vec::new();
        } else {
            self.pieces.push(piece.clone());
        }
    }

    fn is_too_large(&self) -> bool {
        self.bytes > BYTES_MAX
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, (Pieces, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, frame: Option<&Frame<Bytes>>, is_end: bool) {
        let (pieces, is_whole) = &mut *self.lock();
        if let Some(data) = frame.and_then(Frame::data_ref) {
            pieces.add(data);
        }
        *is_whole |= is_end;
    }
}

impl Copied {
    /// Begins to keep a request, as its guest gets it, if its function has a shadow and there is a place.
    pub(crate) fn begin<B: Body>(
        gateway: &Gateway,
        live: &Served,
        request: &Request<B>,
        https: bool,
    ) -> Option<Box<Self>> {
        let shadow = live.arms.as_ref()?.shadow()?;
        // Of an answer to HEAD no body goes out that could be compared.
        if *request.method() == Method::HEAD {
            return None;
        }
        let Ok(place) = gateway.shadows.kept.clone().try_acquire_owned() else {
            shadow.tally.count(Verdict::Busy);
            return None;
        };
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        let body = Arc::<Kept>::default();
        body.add(None, request.body().is_end_stream());
        let (shadow, tally) = (Arc::clone(&shadow.entry), Arc::clone(&shadow.tally));
        Some(Box::new(Self { shadow, tally, head, https, body, answer: Pieces::default(), place }))
    }

    /// Where the request's body is to be kept.
    pub(crate) fn body(&self) -> Arc<Kept> {
        Arc::clone(&self.body)
    }

    /// A piece of the answer goes out.
    pub(crate) fn answered(&mut self, piece: &Bytes) {
        self.answer.add(piece);
    }

    /// The answer has gone out; `whole`: all that its guest wrote. Sends the copy.
    pub(crate) fn end(self: Box<Self>, gateway: &Gateway, invocation: InvocationId, status: &'static str, whole: bool) {
        let (is_large, is_whole) = {
            let kept = self.body.lock();
            (kept.0.is_too_large() || self.answer.is_too_large(), kept.1 && whole)
        };
        let turn = match (is_large, is_whole) {
            (true, _) => return self.tally.count(Verdict::Large),
            (false, false) => return self.tally.count(Verdict::Unfinished),
            (false, true) => gateway.shadows.running.clone().try_acquire_owned(),
        };
        match (turn, tokio::runtime::Handle::try_current()) {
            (Ok(turn), Ok(runtime)) => {
                let meter = gateway.metrics.meter(&self.shadow.handle);
                runtime.spawn(async move {
                    self.send(invocation, status, move |cpu| meter.computed(cpu)).await;
                    drop(turn);
                });
            }
            _ => self.tally.count(Verdict::Busy),
        }
    }

    /// Asks the shadow and counts how its answer compares.
    async fn send(
        self: Box<Self>,
        invocation: InvocationId,
        status: &'static str,
        computed: impl FnOnce(std::time::Duration) + Send + Sync + 'static,
    ) {
        let Self { shadow, tally, head, https, body, answer, place } = *self;
        let body = joined(std::mem::take(&mut body.lock().0.pieces));
        let outcome = shadow.handle.invoke(Invocation {
            id: id::next(Instant::now()),
            deadline: clock::after(Instant::now(), shadow.limits.time),
            request: Box::new(head.map(|()| whole(body))),
            https,
            ended: Some(Box::new(move |_, cpu| computed(cpu))),
            spans: None,
        });
        let (verdict, got) = match outcome.await {
            Outcome::Answered(got) => {
                let label = status_label(got.status());
                let verdict = match label == status {
                    false => Verdict::Status,
                    true => compare(&joined(answer.pieces), got.into_body()).await,
                };
                (verdict, label)
            }
            Outcome::NoAnswer(_) => (Verdict::Failed, "no answer"),
            Outcome::Trapped(_) => (Verdict::Failed, "trapped"),
            Outcome::OverLimit(_) => (Verdict::Failed, "over a limit"),
            Outcome::TimedOut => (Verdict::Failed, "timed out"),
            Outcome::HostFault(_) => (Verdict::Failed, "internal"),
            // The server's state, and nothing that the version did.
            Outcome::Exhausted | Outcome::Asleep | Outcome::Cancelled => (Verdict::Busy, "busy"),
        };
        drop(place);
        if verdict.is_difference() {
            tally.differs(Difference { invocation, verdict, status, shadow: got });
        } else {
            tally.count(verdict);
        }
    }
}

/// Reads an answer as long as it is the expected one.
async fn compare(expected: &Bytes, mut body: Box<ResponseBody>) -> Verdict {
    let mut rest: &[u8] = expected;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Verdict::Failed };
        let piece = frame.data_ref().map_or(&[][..], |piece| piece);
        match rest.strip_prefix(piece) {
            Some(left) => rest = left,
            None => return Verdict::Body,
        }
    }
    if rest.is_empty() { Verdict::Same } else { Verdict::Body }
}

fn joined(pieces: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([only]) => only,
        Err(pieces) => pieces.concat().into(),
    }
}

fn whole(body: Bytes) -> RequestBody {
    if body.is_empty() {
        return no_body();
    }
    request_body(Full::new(body).map_err(|never| -> RequestBodyError { match never {} }))
}

/// A request's body on its way to the guest, kept as it goes by where a copy is wanted.
pub(crate) fn watched<B>(body: B, kept: Option<Arc<Kept>>) -> RequestBody
where
    B: Body<Data = Bytes, Error = RequestBodyError> + Send + Unpin + 'static,
{
    match kept {
        None => request_body(body),
        Some(kept) => request_body(Watched { inner: body, kept }),
    }
}

struct Watched<B> {
    inner: B,
    kept: Arc<Kept>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.kept.add(Some(frame), self.inner.is_end_stream()),
            Poll::Ready(None) => self.kept.add(None, true),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_by_is_kept_and_passes_unchanged() {
        let kept = Arc::<Kept>::default();
        let frames =
            ["ab", "cd"].map(|text| Ok::<_, RequestBodyError>(Frame::data(Bytes::from_static(text.as_bytes()))));
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let mut body = watched(body, Some(Arc::clone(&kept)));
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.data_ref().unwrap(), "ab");
        assert!(!kept.lock().1, "the guest has not read all of it");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "cd");
        let (pieces, is_whole) = &mut *kept.lock();
        assert!(*is_whole);
        assert_eq!(joined(std::mem::take(&mut pieces.pieces)), "abcd");
    }

    #[test]
    fn too_much_is_not_kept() {
        let mut pieces = Pieces::default();
        pieces.add(&Bytes::from(vec![0; BYTES_MAX]));
        assert!(!pieces.is_too_large());
        pieces.add(&Bytes::from_static(b"x"));
        assert!(pieces.is_too_large() && pieces.pieces.is_empty());
    }
}
