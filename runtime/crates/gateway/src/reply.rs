//! The body of an answer on its way to the client: the guest's, or the gateway's own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use modelet_engine::{ResponseBody, ResponseError};

use crate::headers;
use crate::record::Record;

/// A body that keeps the request's record until it has been sent.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    content: Content,
    record: Box<Record>,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing is sent, or all has been.
    Nothing,
    /// The gateway's own text.
    Own(Bytes),
    /// A guest's answer, which may still be in the making.
    Guest {
        /// What the guest writes.
        body: Box<ResponseBody>,
        /// The length that its head announces, in bytes.
        announced: Option<u64>,
    },
}

impl ReplyBody {
    /// `content`, recorded when it has gone.
    pub(crate) fn new(content: Content, record: Box<Record>) -> Self {
        Self { content, record }
    }

    fn sending(&mut self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(trailers) = frame.trailers_mut() {
            headers::clean_trailers(trailers);
        }
        self.record.answered(frame.data_ref());
        let is_last = self.is_end_stream();
        self.record.sent(frame.data_ref().map_or(0, Bytes::len), is_last);
        frame
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = ResponseError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        let this = &mut *self;
        let frame = match &mut this.content {
            Content::Nothing => return Poll::Ready(None),
            Content::Own(bytes) => {
                let frame = Frame::data(std::mem::take(bytes));
                this.content = Content::Nothing;
                Some(Ok(frame))
            }
            Content::Guest { body, .. } => match Pin::new(body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(this.sending(frame))),
            Some(Err(error)) => {
                this.record.cut();
                this.content = Content::Nothing;
                Some(Err(error))
            }
            None => {
                this.content = Content::Nothing;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Nothing => true,
            Content::Own(bytes) => bytes.is_empty(),
            Content::Guest { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Nothing => SizeHint::with_exact(0),
            Content::Own(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Content::Guest { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            return;
        }
        match std::mem::replace(&mut self.content, Content::Nothing) {
            // hyper drops a body at its announced length, before the guest behind it has returned: dropping it here, too,
            // would stop a guest that has done nothing wrong.
            Content::Guest { body, announced } if announced == Some(self.record.bytes_sent()) => drain_aside(body),
            Content::Nothing | Content::Own(_) | Content::Guest { .. } => self.record.cancelled(),
        }
    }
}

/// Lets the guest come to its end, which its deadline bounds.
fn drain_aside(mut body: Box<ResponseBody>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { drain(&mut body).await });
    }
}

/// Reads a body to its end without keeping it: for answers whose body is not sent.
pub(crate) async fn drain(body: &mut ResponseBody) {
    while let Some(Ok(_)) = body.frame().await {}
}
