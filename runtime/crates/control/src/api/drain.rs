//! What is left of a request's body when its answer is made: taken in and thrown away, for a while.
//!
//! A refusal is often made before the body is read, or in the middle of it. Were the connection closed then, a client that is still
//! sending would have its pipe broken, and mostly never read why. So whatever lets a body go before its end gives it back, and it is
//! read on beside the answer, within a bound of bytes and time; what is beyond that is cut off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::header;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

/// So long it is read on from a client whose request is answered.
const TIME_MAX: Duration = Duration::from_secs(10);
/// And so much: the rest of a larger one is cut off.
const BYTES_MAX: u64 = 4 << 30;

/// Has the rest of each body taken in that is let go before its end.
pub(super) async fn drain(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Who waits for a word before sending has sent nothing; to read on would be that word.
    let waits = request.headers().contains_key(header::EXPECT);
    let (given_back, left) = oneshot::channel();
    tokio::spawn(async move {
        if let Ok(rest) = left.await {
            discard(rest, BYTES_MAX, TIME_MAX).await;
        }
    });
    next.run(request.map(|body| Body::new(Lent { body, waits, given_back: Some(given_back) }))).await
}

async fn discard(mut body: Body, bytes_max: u64, time_max: Duration) {
    let rest = async {
        let mut left = bytes_max;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(bytes) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(time_max, rest).await;
}

/// A body that is given back when it is let go before its end.
struct Lent {
    body: Body,
    /// Whether its sender waits until somebody wants to read.
    waits: bool,
    /// `None`: it has ended.
    given_back: Option<oneshot::Sender<Body>>,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.waits = false;
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.given_back = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(given_back) = self.given_back.take().filter(|_| !self.waits) {
            // Nobody to take it: the server is stopping.
            let _ = given_back.send(std::mem::take(&mut self.body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A body without end, and how many pieces of it were taken.
    fn endless() -> (Body, Arc<AtomicU64>) {
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&taken);
        let pieces = futures_util::stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 100]))
        });
        (Body::from_stream(pieces), taken)
    }

    fn lent(body: Body, waits: bool) -> (Lent, oneshot::Receiver<Body>) {
        let (given_back, left) = oneshot::channel();
        (Lent { body, waits, given_back: Some(given_back) }, left)
    }

    #[tokio::test]
    async fn what_is_thrown_away_has_a_bound_of_bytes_and_one_of_time() {
        let (body, taken) = endless();
        discard(body, 1000, TIME_MAX).await;
        assert_eq!(taken.load(Ordering::SeqCst), 11);
        let silent = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        discard(Body::from_stream(silent), u64::MAX, Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn only_a_body_that_has_not_ended_and_is_being_sent_is_given_back() {
        let (mut whole, left) = lent(Body::from("all of it"), false);
        while whole.frame().await.is_some() {}
        drop(whole);
        assert!(left.await.is_err(), "it has ended");
        let (unread, left) = lent(Body::from("nothing of it"), false);
        drop(unread);
        assert_eq!(left.await.unwrap().collect().await.unwrap().to_bytes(), "nothing of it");
        let (waiting, left) = lent(Body::from("not sent"), true);
        drop(waiting);
        assert!(left.await.is_err(), "its sender waits for a word");
        let (mut asked, left) = lent(endless().0, true);
        let _ = asked.frame().await;
        drop(asked);
        assert!(left.await.is_ok(), "the word was given");
    }
}
