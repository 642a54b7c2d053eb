//! The request's body on its way to the guest: counted, limited, its trailers cleaned.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use modelet_engine::RequestBodyError;

use crate::error::{BadRequest, Refusal};
use crate::headers;

/// What the script learns of a body that the guest has read.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    bytes: AtomicU64,
    fault: AtomicU8,
}

const TOO_LARGE: u8 = 1;
const BROKEN: u8 = 2;

impl Intake {
    /// Bytes that came in.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why the body ended early, if it did: what to tell the client when the guest had no answer to it.
    pub(crate) fn fault(&self, limit: u64) -> Option<Refusal> {
        match self.fault.load(Ordering::Relaxed) {
            TOO_LARGE => Some(Refusal::BodyTooLarge { limit }),
            BROKEN => Some(Refusal::Bad(BadRequest::Body)),
            _ => None,
        }
    }
}

/// A body that ends with an error where it passes its limit.
#[derive(Debug)]
pub(crate) struct LimitedBody<B> {
    inner: B,
    limit: u64,
    left: u64,
    intake: Arc<Intake>,
}

impl<B> LimitedBody<B> {
    /// At most `limit` bytes of `inner`, told to `intake`.
    pub(crate) fn new(inner: B, limit: u64, intake: Arc<Intake>) -> Self {
        Self { inner, limit, left: limit, intake }
    }

    fn take(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, RequestBodyError> {
        if let Some(trailers) = frame.trailers_mut() {
            headers::clean_trailers(trailers);
        }
        let bytes = u64::try_from(frame.data_ref().map_or(0, Bytes::len)).unwrap_or(u64::MAX);
        self.intake.bytes.fetch_add(bytes, Ordering::Relaxed);
        let Some(left) = self.left.checked_sub(bytes) else {
            self.intake.fault.store(TOO_LARGE, Ordering::Relaxed);
            return Err(RequestBodyError::TooLarge(self.limit));
        };
        self.left = left;
        Ok(frame)
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        Pin::new(&mut self.inner).poll_frame(context).map(|frame| match frame? {
            Ok(frame) => Some(self.take(frame)),
            Err(_) => {
                self.intake.fault.store(BROKEN, Ordering::Relaxed);
                Some(Err(RequestBodyError::Broken))
            }
        })
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
    use http::HeaderMap;
    use http_body_util::{BodyExt, Full, StreamBody};

    fn chunks(parts: Vec<Result<Frame<Bytes>, &'static str>>) -> impl Body<Data = Bytes, Error = &'static str> + Unpin {
        StreamBody::new(futures_util::stream::iter(parts))
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_body_up_to_its_limit_passes_and_is_counted() {
        let intake = Arc::new(Intake::default());
        let body = LimitedBody::new(Full::new(Bytes::from_static(b"12345")), 5, intake.clone());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "12345");
        assert_eq!(intake.bytes(), 5);
        assert_eq!(intake.fault(5), None);
    }

    #[tokio::test]
    async fn a_chunked_body_over_its_limit_is_an_error_for_the_guest_and_413_for_the_client() {
        let intake = Arc::new(Intake::default());
        let body = LimitedBody::new(chunks(vec![data("123"), data("456")]), 5, intake.clone());
        assert_eq!(body.collect().await.err(), Some(RequestBodyError::TooLarge(5)));
        assert_eq!(intake.fault(5), Some(Refusal::BodyTooLarge { limit: 5 }));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_the_clients_fault() {
        let intake = Arc::new(Intake::default());
        let body = LimitedBody::new(chunks(vec![data("123"), Err("reset")]), 5, intake.clone());
        assert_eq!(body.collect().await.err(), Some(RequestBodyError::Broken));
        assert_eq!(intake.fault(5), Some(Refusal::Bad(BadRequest::Body)));
    }

    #[tokio::test]
    async fn modelet_trailers_do_not_reach_the_guest() {
        let mut trailers = HeaderMap::new();
        trailers.insert("modelet-caller", "root".parse().unwrap());
        trailers.insert("checksum", "1".parse().unwrap());
        let body = LimitedBody::new(chunks(vec![data("x"), Ok(Frame::trailers(trailers))]), 5, Arc::default());
        let collected = body.collect().await.unwrap();
        let passed: Vec<_> = collected.trailers().unwrap().keys().collect();
        assert_eq!(passed, ["checksum"]);
    }
}
