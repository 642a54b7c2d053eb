//! The request body as the engine takes it.

use std::convert::Infallible;

use bytes::Bytes;
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};

/// The body of a request on its way into a guest. The guest pulls: nothing is read ahead of it.
pub type RequestBody = UnsyncBoxBody<Bytes, RequestBodyError>;

/// Why a request body ended early, as the guest is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBodyError {
    /// The body is longer than the limit, in bytes.
    TooLarge(u64),
    /// The client sent no valid body, or went away.
    Broken,
}

impl From<RequestBodyError> for wasmtime_wasi_http::Error {
    fn from(error: RequestBodyError) -> Self {
        match error {
            RequestBodyError::TooLarge(limit) => Self::HttpRequestBodySize(Some(limit)),
            RequestBodyError::Broken => Self::HttpProtocolError,
        }
    }
}

/// No body: nothing is allocated for it.
#[must_use]
pub fn no_body() -> RequestBody {
    nothing().boxed_unsync()
}

/// The same without its box.
pub(crate) fn nothing() -> impl Body<Data = Bytes, Error = RequestBodyError> + Send + 'static {
    Empty::new().map_err(|never: Infallible| match never {})
}

/// Wraps any body whose errors say which of the two ends it came to.
pub fn request_body<B>(body: B) -> RequestBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<RequestBodyError>,
{
    body.map_err(Into::into).boxed_unsync()
}
