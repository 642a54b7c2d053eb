//! [`Request`]: what a client asked, fetched from the host only as far as it is looked at.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::de::DeserializeOwned;

use crate::Error;
use crate::wasi::http::types::{ErrorCode, IncomingRequest, Method, http_error_code};
use crate::wasi::io::streams::{InputStream, StreamError};

/// The most bytes asked of the host by one read. A host gives what has arrived, so a body takes about as many reads as
/// it has network frames.
const READ_BYTES: u64 = 1 << 20;

/// One HTTP request. Each part is fetched from the host when first asked for and then kept.
#[derive(Debug)]
pub struct Request {
    raw: IncomingRequest,
    method: OnceCell<Cow<'static, str>>,
    target: OnceCell<String>,
    headers: OnceCell<Vec<(String, Vec<u8>)>>,
    body: OnceCell<Vec<u8>>,
}

impl Request {
    /// Wraps the request of the raw bindings.
    #[must_use]
    pub fn new(raw: IncomingRequest) -> Self {
        Self { raw, method: OnceCell::new(), target: OnceCell::new(), headers: OnceCell::new(), body: OnceCell::new() }
    }

    /// The method, in capitals: `GET`, `POST`, …
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.get_or_init(|| method_name(self.raw.method()))
    }

    /// The path as it was sent (percent-encoded), without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// What follows the `?`, as it was sent; empty if there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// The first query parameter of this name, decoded.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        param(self.query(), name)
    }

    /// All headers, in the order in which they came; names are lower-case.
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        self.headers.get_or_init(|| self.raw.headers().entries())
    }

    /// The first value of this header, in any case; `None` if it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The whole body. The route's body limit bounds it.
    ///
    /// # Errors
    /// 413 `body-too-large` past the limit, 400 `body-unreadable` if the client broke off.
    pub fn bytes(&self) -> Result<&[u8], Error> {
        if self.body.get().is_none() {
            let bytes = read_body(&self.raw)?;
            // Nothing else can have filled it: a component has one thread.
            let _ = self.body.set(bytes);
        }
        Ok(self.body.get().map_or(&[], Vec::as_slice))
    }

    /// The whole body, owned.
    ///
    /// # Errors
    /// As [`Request::bytes`].
    pub fn into_bytes(self) -> Result<Vec<u8>, Error> {
        self.bytes()?;
        Ok(self.body.into_inner().unwrap_or_default())
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// 400 if it is not UTF-8; and as [`Request::bytes`].
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|error| Error::bad_request(format!("the body is not UTF-8: {error}")))
    }

    /// The whole body, parsed as JSON.
    ///
    /// # Errors
    /// 400 `bad-json` that names the place; and as [`Request::bytes`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.bytes()?).map_err(|error| Error::new(400, "bad-json", error.to_string()))
    }

    /// The request of the raw bindings, for what this type does not cover.
    #[must_use]
    pub fn raw(&self) -> &IncomingRequest {
        &self.raw
    }

    fn target(&self) -> &str {
        self.target.get_or_init(|| self.raw.path_with_query().unwrap_or_default())
    }
}

fn method_name(method: Method) -> Cow<'static, str> {
    Cow::Borrowed(match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return Cow::Owned(name),
    })
}

fn read_body(request: &IncomingRequest) -> Result<Vec<u8>, Error> {
    let taken = || Error::internal("the request's body was already taken through the raw bindings");
    let body = request.consume().map_err(|()| taken())?;
    let stream = body.stream().map_err(|()| taken())?;
    // The first piece is taken as it is: most bodies come in one, and then nothing is copied.
    let mut bytes = match read_some(&stream)? {
        Some(first) => first,
        None => return Ok(Vec::new()),
    };
    while let Some(more) = read_some(&stream)? {
        bytes.extend_from_slice(&more);
    }
    Ok(bytes)
}

/// The next bytes of the body, `None` at its end.
fn read_some(stream: &InputStream) -> Result<Option<Vec<u8>>, Error> {
    match stream.blocking_read(READ_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StreamError::Closed) => Ok(None),
        Err(StreamError::LastOperationFailed(error)) => Err(match http_error_code(&error) {
            Some(ErrorCode::HttpRequestBodySize(_)) => {
                Error::new(413, "body-too-large", "the body is larger than this function takes")
            }
            _ => Error::new(400, "body-unreadable", error.to_debug_string()),
        }),
    }
}

/// The first parameter `name` of a query string, decoded: `%41` and `+` mean what HTML forms mean by them.
fn param(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', &[high, low, ref after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(high) << 4 | hex(low));
                rest = after;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The value of a character that is known to be a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_and_decoded() {
        assert_eq!(param("a=1&b%20c=x+y%2fz&a=2", "a").as_deref(), Some("1"));
        assert_eq!(param("a=1&b%20c=x+y%2Fz", "b c").as_deref(), Some("x y/z"));
        assert_eq!(param("flag&x=", "flag").as_deref(), Some(""));
        assert_eq!(param("", "a"), None);
    }

    #[test]
    fn what_is_not_an_escape_stays() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%4"), "%4");
        assert_eq!(decode("%zz%41"), "%zzA");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
