//! Bare hyper: what the HTTP library alone does on this core with an answer of the guest's size.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::listen::Answers;

/// Says hello without any guest.
pub(crate) struct Hello;

impl Answers for Hello {
    type Body = Full<Bytes>;

    async fn answer(self: Arc<Self>, _request: Request<Incoming>) -> Result<Response<Self::Body>> {
        let response = Response::builder().header("content-type", "text/plain");
        Ok(response.body(Full::new(Bytes::from_static(b"hello\n")))?)
    }
}
