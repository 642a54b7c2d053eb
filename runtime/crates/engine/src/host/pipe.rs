//! The body of a message on its way out of a guest: room for two pieces between the stream that the guest writes and whoever sends
//! the message.
//!
//! wasmtime's own has a channel for the pieces, one for the end and a counter, all made anew for each message, and its streams wait
//! by boxed futures where there is nothing to wait for. This is one allocation and a lock.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::held::PIECE;

/// Which message a body is of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Request,
    Response,
}

/// What the guest's end and the sender's end share.
#[derive(Default)]
struct Pipe(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    next: Option<Bytes>,
    after: Option<Bytes>,
    end: Option<End>,
    /// Bytes that were put in.
    written: u64,
    /// Whether the guest has the stream.
    is_open: bool,
    /// Nobody takes anything out any more.
    is_left: bool,
    /// Waits for a piece, or the end.
    reader: Option<Waker>,
    /// Waits for room.
    writer: Option<Waker>,
}

/// How a body ended.
enum End {
    /// All of it is in the pipe; behind it come the trailers, if there are any.
    Whole(Option<HeaderMap>),
    /// It was given up, or is not as long as was announced.
    BrokenOff,
}

/// The guest's handle of a body. Dropped before [`finish`](Self::finish), it breaks the body off.
pub(crate) struct OutgoingBody {
    pipe: Arc<Pipe>,
    kind: Kind,
    announced: Option<u64>,
    was_opened: bool,
}

/// What the guest writes to.
struct Stream {
    pipe: Arc<Pipe>,
    kind: Kind,
    announced: Option<u64>,
}

/// What is sent.
pub(super) struct Sent(Arc<Pipe>);

impl Kind {
    fn wrong_length(self, written: u64) -> ErrorCode {
        match self {
            Self::Request => ErrorCode::HttpRequestBodySize(Some(written)),
            Self::Response => ErrorCode::HttpResponseBodySize(Some(written)),
        }
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for a piece, or nobody who takes it.
    async fn room(&self) {
        poll_fn(|cx| {
            let mut inside = self.lock();
            if inside.is_left || inside.has_room() {
                return Poll::Ready(());
            }
            wait(&mut inside.writer, cx);
            Poll::Pending
        })
        .await;
    }

    fn end(&self, end: End) {
        let mut inside = self.lock();
        inside.end = Some(end);
        wake(inside, |inside| &mut inside.reader);
    }
}

impl Inside {
    fn has_room(&self) -> bool {
        self.after.is_none()
    }

    fn put(&mut self, piece: Bytes) {
        let place = if self.next.is_none() { &mut self.next } else { &mut self.after };
        *place = Some(piece);
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = self.next.take()?;
        self.next = self.after.take();
        Some(piece)
    }
}

fn wait(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

/// Wakes outside of the lock: a waker may do anything.
fn wake(mut inside: MutexGuard<'_, Inside>, who: impl FnOnce(&mut Inside) -> &mut Option<Waker>) {
    let waker = who(&mut inside).take();
    drop(inside);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl OutgoingBody {
    /// A body, and what is to be sent of it. `announced`: how long it is to be, in bytes.
    pub(super) fn new(kind: Kind, announced: Option<u64>) -> (Self, Sent) {
        let pipe = Arc::<Pipe>::default();
        let sent = Sent(Arc::clone(&pipe));
        (Self { pipe, kind, announced, was_opened: false }, sent)
    }

    /// Its stream, once.
    pub(super) fn open(&mut self) -> Option<Box<dyn OutputStream>> {
        if std::mem::replace(&mut self.was_opened, true) {
            return None;
        }
        self.pipe.lock().is_open = true;
        Some(Box::new(Stream { pipe: Arc::clone(&self.pipe), kind: self.kind, announced: self.announced }))
    }

    /// Whether the guest still has the stream.
    pub(super) fn is_open(&self) -> bool {
        self.was_opened && self.pipe.lock().is_open
    }

    /// Nothing more comes but the trailers.
    ///
    /// # Errors
    /// When it is shorter or longer than was announced; then it is broken off.
    pub(super) fn finish(self, trailers: Option<HeaderMap>) -> Result<(), ErrorCode> {
        let written = self.pipe.lock().written;
        if self.announced.is_some_and(|announced| announced != written) {
            return Err(self.kind.wrong_length(written));
        }
        self.pipe.end(End::Whole(trailers));
        Ok(())
    }
}

impl Drop for OutgoingBody {
    fn drop(&mut self) {
        let mut inside = self.pipe.lock();
        if inside.end.is_none() {
            inside.end = Some(End::BrokenOff);
            wake(inside, |inside| &mut inside.reader);
        }
    }
}

impl Stream {
    fn too_much() -> StreamError {
        StreamError::trap("write exceeded budget")
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        self.pipe.room().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut inside = self.pipe.lock();
        if inside.is_left {
            return Err(StreamError::Closed);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() > PIECE || !inside.has_room() {
            return Err(Self::too_much());
        }
        inside.written = inside.written.saturating_add(bytes.len() as u64);
        inside.put(bytes);
        let written = inside.written;
        wake(inside, |inside| &mut inside.reader);
        if self.announced.is_some_and(|announced| written > announced) {
            return Err(StreamError::LastOperationFailed(self.kind.wrong_length(written).into()));
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        if self.pipe.lock().is_left { Err(StreamError::Closed) } else { Ok(()) }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let inside = self.pipe.lock();
        match (inside.is_left, inside.has_room()) {
            (true, _) => Err(StreamError::Closed),
            (false, true) => Ok(PIECE),
            (false, false) => Ok(0),
        }
    }

    /// As the default, which waits by futures of its own; a piece of this size always fits where there is room.
    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.pipe.room().await;
        self.write(bytes)?;
        self.pipe.room().await;
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.pipe.lock().is_open = false;
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut inside = self.0.lock();
        if let Some(piece) = inside.take() {
            wake(inside, |inside| &mut inside.writer);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut inside.end {
            Some(End::Whole(trailers)) => Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
            Some(End::BrokenOff) => Poll::Ready(Some(Err(Error::HttpProtocolError))),
            None => {
                wait(&mut inside.reader, cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let mut inside = self.0.lock();
        inside.is_left = true;
        let pieces = (inside.next.take(), inside.after.take());
        wake(inside, |inside| &mut inside.writer);
        drop(pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn piece(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// Both ends, and the guest's stream.
    fn pipe(announced: Option<u64>) -> (OutgoingBody, Box<dyn OutputStream>, Sent) {
        let (mut body, sent) = OutgoingBody::new(Kind::Response, announced);
        let stream = body.open().unwrap();
        assert!(body.open().is_none(), "there is one stream");
        (body, stream, sent)
    }

    #[tokio::test]
    async fn what_is_written_comes_out_in_order_and_ends_with_the_trailers() {
        let (body, mut stream, sent) = pipe(Some(6));
        stream.write(piece("one")).unwrap();
        stream.write(Bytes::new()).unwrap();
        stream.write(piece("two")).unwrap();
        assert!(body.is_open());
        drop(stream);
        assert!(!body.is_open());
        let mut trailers = HeaderMap::new();
        trailers.insert("sum", http::HeaderValue::from_static("6"));
        body.finish(Some(trailers)).unwrap();
        let whole = sent.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["sum"], "6");
        assert_eq!(whole.to_bytes(), "onetwo");
    }

    #[tokio::test]
    async fn two_pieces_fit_and_a_third_waits_until_one_was_taken() {
        let (body, mut stream, mut sent) = pipe(None);
        stream.write(piece("1")).unwrap();
        stream.write(piece("2")).unwrap();
        assert!(matches!(stream.check_write(), Ok(0)));
        assert!(matches!(stream.write(piece("3")), Err(StreamError::Trap(_))), "it did not ask");
        let writer = tokio::spawn(async move {
            stream.blocking_write_and_flush(piece("3")).await.unwrap();
            drop(stream);
            body.finish(None).unwrap();
        });
        let mut all = Vec::new();
        while let Some(frame) = sent.frame().await {
            all.extend_from_slice(&frame.unwrap().into_data().unwrap());
            tokio::task::yield_now().await;
        }
        writer.await.unwrap();
        assert_eq!(all, b"123");
    }

    #[tokio::test]
    async fn a_body_that_is_given_up_or_of_another_length_breaks_off() {
        let (body, stream, sent) = pipe(None);
        drop((stream, body));
        assert!(sent.collect().await.is_err());

        let (body, mut stream, sent) = pipe(Some(5));
        stream.write(piece("four")).unwrap();
        assert!(matches!(body.finish(None), Err(ErrorCode::HttpResponseBodySize(Some(4)))));
        assert!(sent.collect().await.is_err());

        let (body, mut stream, sent) = pipe(Some(3));
        assert!(matches!(stream.write(piece("four")), Err(StreamError::LastOperationFailed(_))));
        assert!(body.finish(None).is_err());
        assert!(sent.collect().await.is_err());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_other_end() {
        let (body, mut stream, mut sent) = pipe(None);
        let reader = tokio::spawn(async move { sent.frame().await.map(|frame| frame.is_err()) });
        tokio::task::yield_now().await;
        drop(body);
        assert_eq!(reader.await.unwrap(), Some(true));
        assert!(matches!(stream.write(piece("late")), Err(StreamError::Closed)));
        assert!(matches!(stream.check_write(), Err(StreamError::Closed)));

        let (_body, mut stream, sent) = pipe(None);
        stream.write(piece("1")).unwrap();
        stream.write(piece("2")).unwrap();
        let writer = tokio::spawn(async move { stream.blocking_write_and_flush(piece("3")).await });
        tokio::task::yield_now().await;
        drop(sent);
        assert!(matches!(writer.await.unwrap(), Err(StreamError::Closed)));
    }

    #[test]
    fn a_piece_is_no_longer_than_it_may_be() {
        let (_body, mut stream, _sent) = pipe(None);
        assert!(matches!(stream.write(vec![0; PIECE + 1].into()), Err(StreamError::Trap(_))));
        stream.write(vec![0; PIECE].into()).unwrap();
    }
}
