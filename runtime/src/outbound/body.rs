//! The body of an answer on its way to a guest, and the task that drives its connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use modelet_engine::ports::{OutboundError, OutboundFault};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use super::broken;
use super::permits::Permit;

/// Drives a connection until it ends, its invocation's time is up, or nobody wants it any more: when it is dropped.
#[derive(Debug)]
pub(super) struct Driver {
    task: JoinHandle<()>,
    permit: Arc<Mutex<Option<Permit>>>,
}

impl Driver {
    pub(super) fn spawn<C>(connection: C, permit: Permit, deadline: Instant) -> Self
    where
        C: Future<Output = Result<(), hyper::Error>> + Send + 'static,
    {
        let permit = Arc::new(Mutex::new(Some(permit)));
        let until_end = Arc::clone(&permit);
        let task = tokio::spawn(async move {
            // What ends it early is told to whoever reads the answer.
            let _ = tokio::time::timeout_at(deadline.into(), connection).await;
            give_back(&until_end);
        });
        Self { task, permit }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
        // Here, and not when the task is gone: whoever dropped this may ask for the next connection at once.
        give_back(&self.permit);
    }
}

fn give_back(permit: &Mutex<Option<Permit>>) {
    let permit = permit.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(permit);
}

/// What holds for the body of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerLimits {
    pub(super) bytes: u64,
    /// Longest wait for the next piece.
    pub(super) between: Option<Duration>,
    pub(super) deadline: Instant,
}

impl AnswerLimits {
    /// Refuses at once what says itself that it is too long.
    pub(super) fn hold(&self, headers: &HeaderMap) -> Result<(), OutboundError> {
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.bytes) { Err(self.too_long()) } else { Ok(()) }
    }

    fn too_long(&self) -> OutboundError {
        let limit = self.bytes;
        let why = format!("its answer is over the limit of {limit} bytes (server limit `outbound_response`)");
        OutboundError::new(OutboundFault::TooLong { limit }, why)
    }
}

/// The body of an answer. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Answer {
    incoming: Incoming,
    limits: AnswerLimits,
    left: u64,
    sleep: Option<Pin<Box<Sleep>>>,
    /// `None` after the end.
    driver: Option<Driver>,
}

impl Answer {
    pub(super) fn new(incoming: Incoming, limits: AnswerLimits, driver: Driver) -> Self {
        Self { incoming, limits, left: limits.bytes, sleep: None, driver: Some(driver) }
    }

    /// The next piece came: it is counted.
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, OutboundError> {
        self.sleep = None;
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.limits.too_long())?;
        Ok(frame)
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<OutboundError> {
        let limits = self.limits;
        let sleep = self.sleep.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(super::by(limits.deadline, limits.between).into()))
        });
        let why = "no further piece of its answer in time";
        sleep.as_mut().poll(cx).map(|()| OutboundError::new(OutboundFault::BetweenBytesTimeout, why))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = OutboundError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, OutboundError>>> {
        if self.driver.is_none() {
            return Poll::Ready(None);
        }
        let next = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Some(self.take(frame)),
            Poll::Ready(Some(Err(error))) => Some(Err(broken(&error))),
            Poll::Ready(None) => None,
            Poll::Pending => match self.poll_late(cx) {
                Poll::Ready(error) => Some(Err(error)),
                Poll::Pending => return Poll::Pending,
            },
        };
        if !matches!(next, Some(Ok(_))) {
            self.driver = None;
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.driver.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
