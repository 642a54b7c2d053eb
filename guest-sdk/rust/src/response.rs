//! [`Response`]: an answer held in memory, and how it leaves with few calls into the host.

use std::borrow::Cow;

use serde::Serialize;

use crate::Error;
use crate::wasi::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::wasi::io::streams::{OutputStream, StreamError};

/// One HTTP answer: a status, headers and a body. The length of the body is sent with it.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Cow<'static, [u8]>,
}

impl Response {
    /// An answer without a body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    /// 200 with this body.
    #[must_use]
    pub fn bytes(content_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let mut response = Self::new(200).with_header("content-type", content_type);
        response.body = body.into();
        response
    }

    /// 200 with text.
    #[must_use]
    pub fn text(body: impl Into<Cow<'static, str>>) -> Self {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self::bytes("text/plain; charset=utf-8", body)
    }

    /// 200 with JSON.
    ///
    /// # Errors
    /// 500 if the value cannot be JSON (a map with keys that are not strings, a number that JSON lacks).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Ok(Self::bytes("application/json", serde_json::to_vec(value)?))
    }

    /// The same answer with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same answer with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers that were given, in that order.
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sends the answer. A body that the host takes at once is complete before the answer is set, so that the host sees
    /// all of it at one time: eight calls, and one to drop the stream.
    ///
    /// A header that the host refuses (a hop-by-hop one, or one that is the server's own) turns the answer into a 500,
    /// because a function that sets one is wrong. A client that went away while the body was sent is no error.
    pub fn send(mut self, out: ResponseOutparam) {
        if may_have_body(self.status) {
            self.headers.push(("content-length".to_owned(), self.body.len().to_string().into_bytes()));
        }
        match prepare(&self.headers, self.status) {
            Ok((response, body)) => {
                let _ = transmit(response, body, &self.body, out);
            }
            Err(error) => Error::internal(error).into_response().send_plain(out),
        }
    }

    /// Sends an answer of ours, whose few headers no host refuses; if one does, there is no answer, which the server
    /// reports.
    fn send_plain(self, out: ResponseOutparam) {
        if let Ok((response, body)) = prepare(&self.headers, self.status) {
            let _ = transmit(response, body, &self.body, out);
        }
    }
}

fn may_have_body(status: u16) -> bool {
    !matches!(status, 100..200 | 204 | 304)
}

fn prepare(headers: &[(String, Vec<u8>)], status: u16) -> Result<(OutgoingResponse, OutgoingBody), String> {
    let fields = Fields::from_list(headers).map_err(|error| {
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        format!("the host refused a header of {names:?}: {error:?}")
    })?;
    let response = OutgoingResponse::new(fields);
    if status != 200 {
        response.set_status_code(status).map_err(|()| format!("{status} is not an HTTP status"))?;
    }
    let body = response.body().map_err(|()| "the answer's body was already taken".to_owned())?;
    Ok((response, body))
}

fn transmit(
    response: OutgoingResponse,
    body: OutgoingBody,
    bytes: &[u8],
    out: ResponseOutparam,
) -> Result<(), StreamError> {
    if bytes.is_empty() {
        let _ = OutgoingBody::finish(body, None);
        ResponseOutparam::set(out, Ok(response));
        return Ok(());
    }
    // A fresh body has one stream, so this cannot fail; without it the host would see an answer cut short.
    let Ok(stream) = body.write() else {
        return Ok(());
    };
    if bytes.len() as u64 <= stream.check_write().unwrap_or(0) {
        let written = stream.write(bytes);
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
        ResponseOutparam::set(out, Ok(response));
        return written;
    }
    ResponseOutparam::set(out, Ok(response));
    write_all(&stream, bytes)?;
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

/// Writes all bytes in pieces as large as the host permits, waiting where it permits none.
fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let permit = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if permit == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(permit.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_its_type_and_no_other_body() {
        let response = Response::json(&[1, 2]).unwrap().with_status(201);
        assert_eq!((response.status(), response.body()), (201, b"[1,2]".as_slice()));
        assert_eq!(response.headers, [("content-type".to_owned(), b"application/json".to_vec())]);
    }

    #[test]
    fn an_answer_that_cannot_have_a_body_gets_no_length() {
        assert!(!may_have_body(204) && !may_have_body(304) && may_have_body(200));
    }
}
