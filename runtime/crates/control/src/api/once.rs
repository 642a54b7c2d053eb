//! Requests that are done once, however often they are sent: those with an `Idempotency-Key`.
//!
//! The key names the request of the key that authorised it. That it was done is written in the transaction of its change
//! ([`modelet_store::Once`]), and its answer when that is known; sent again, it gets that answer, and nothing is done. While it is
//! done, and where another request has the same name, whoever asks is told so.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use modelet_catalog::KeyHasher;
use modelet_spec::Hasher;
use modelet_store::{DoneRequest, KeptAnswer, Once, RequestName};

use super::conditions::Asked;
use super::respond::{self, with_sources};
use super::{Api, JSON_BYTES_MAX};
use crate::control::blocking;
use crate::error::{AskedError, ControlError};

/// The request's name.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest name.
const KEY_BYTES_MAX: usize = 255;
/// A longer answer is not kept.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A sender that sends nothing for so long has gone.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Beside an answer with a secret: it is given once, and kept nowhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unkept;

/// The requests that are being done.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashSet<RequestName>>);

/// A request that is being done; dropped, it is no longer.
struct Turn<'a> {
    under_way: &'a UnderWay,
    name: &'a RequestName,
}

impl UnderWay {
    fn enter<'a>(&'a self, name: &'a RequestName) -> Result<Turn<'a>, AskedError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            true => Ok(Turn { under_way: self, name }),
            false => Err(AskedError::UnderWay),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.name);
    }
}

/// What a request is called, if its sender says so.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, ControlError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(IDEMPOTENCY_KEY) { Err(wrong_key()) } else { Ok(None) };
    };
    let text = value.to_str().map_err(|_| wrong_key())?.trim();
    // A string of structured fields (RFC 9651), as the draft has it; or the text as it is, as most send it.
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    match !text.is_empty() && text.len() <= KEY_BYTES_MAX && text.bytes().all(is_plain) {
        true => Ok(Some(text.to_owned())),
        false => Err(wrong_key()),
    }
}

fn wrong_key() -> ControlError {
    ControlError::BadRequest(format!(
        "Idempotency-Key is one text of 1 to {KEY_BYTES_MAX} visible ASCII characters, such as a UUID"
    ))
}

/// Does a request, or gives the answer that it had.
pub(super) async fn run(api: Api, asked: Arc<Asked>, once: Arc<Once>, request: Request, next: Next) -> Response {
    // A task of its own: a sender that goes away will ask again, for an answer that must have been kept.
    let task = tokio::spawn(async move { turn(&api, &asked, &once, request, next).await });
    let answer = task.await.map_err(ControlError::from).flatten();
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn turn(
    api: &Api,
    asked: &Asked,
    once: &Arc<Once>,
    request: Request,
    next: Next,
) -> Result<Response, ControlError> {
    let _turn = api.control.under_way.enter(once.name())?;
    let (store, named) = (Arc::clone(&api.control.store), Arc::clone(once));
    let done = blocking(move || Ok(store.done_request(named.name())?)).await?;
    let request = digested(request, once, &api.control.hasher).await?;
    match done {
        Some(done) => again(done, once, request.into_body()).await,
        None => first(api, asked, once, next.run(request).await).await,
    }
}

/// The request, with its digest known when it has been read.
async fn digested(request: Request, once: &Arc<Once>, key: &KeyHasher) -> Result<Request, ControlError> {
    let (parts, body) = request.into_parts();
    let mut digest = Digest { hasher: modelet_spec::Digest::hasher(), key: key.clone(), once: Arc::clone(once) };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    digest.line(parts.method.as_str().as_bytes());
    digest.line(target.as_bytes());
    for name in [CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH] {
        parts.headers.get_all(name).iter().for_each(|value| digest.line(value.as_bytes()));
        digest.line(b"");
    }
    let body = match is_streamed(&parts.method, parts.uri.path()) {
        true => Body::new(Digesting { body, digest: Some(digest) }),
        false => {
            // Whole, for not every handler reads it.
            let read = axum::body::to_bytes(body, JSON_BYTES_MAX).await;
            let bytes = read.map_err(|e| ControlError::Body(with_sources(&e)))?;
            digest.hasher.update(&bytes);
            digest.end();
            Body::from(bytes)
        }
    };
    Ok(Request::from_parts(parts, body))
}

/// Whether a body is written to the disk as it comes; who does that reads all of it.
fn is_streamed(method: &Method, path: &str) -> bool {
    matches!(path, "/v1/blobs" | "/v1/import") || method == Method::PUT && is_model(path)
}

fn is_model(path: &str) -> bool {
    path.strip_prefix("/v1/models/").is_some_and(|name| !name.contains('/'))
}

/// The answer to a request that was done.
async fn again(done: DoneRequest, once: &Once, mut body: Body) -> Result<Response, ControlError> {
    loop {
        let frame = tokio::time::timeout(IDLE_MAX, body.frame()).await;
        match frame.map_err(|_| ControlError::Body(format!("nothing came for {} s", IDLE_MAX.as_secs())))? {
            Some(frame) => drop(frame.map_err(|e| ControlError::Body(e.to_string()))?),
            None => break,
        }
    }
    if once.digest() != Some(done.digest) {
        return Err(AskedError::Another.into());
    }
    let mut response = match done.answer {
        Some(answer) => replayed(answer),
        None => ControlError::from(AskedError::Done { thing: done.thing }).into_response(),
    };
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn replayed(answer: KeptAnswer) -> Response {
    let mut response = respond::again(answer.status, Body::from(answer.body));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [(CONTENT_TYPE, answer.content_type), (ETAG, answer.etag)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// The answer to a request that was done now. It is kept before anybody reads it.
async fn first(api: &Api, asked: &Asked, once: &Arc<Once>, response: Response) -> Result<Response, ControlError> {
    let (parts, body) = asked.answer(false, response).into_parts();
    let read = axum::body::to_bytes(body, usize::MAX).await;
    let bytes = read.map_err(|e| ControlError::Internal(format!("an answer could not be read: {e}")))?;
    // What was refused has changed nothing, and may be asked again; what was done and failed afterwards may not.
    let is_done = once.is_done() || parts.status.is_success();
    if is_done && bytes.len() <= ANSWER_BYTES_MAX && parts.extensions.get::<Unkept>().is_none() {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, content_type, etag) = (parts.status.as_u16(), text(CONTENT_TYPE), text(ETAG));
        let answer = KeptAnswer { status, content_type, etag, body: bytes.to_vec() };
        let (store, once) = (Arc::clone(&api.control.store), Arc::clone(once));
        let kept = blocking(move || Ok(store.keep_answer(&once, &answer)?)).await;
        if let Err(error) = kept {
            tracing::warn!(error = %with_sources(&error), "the answer to a request with an Idempotency-Key is not kept");
        }
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// The digest of a request while it is read.
struct Digest {
    hasher: Hasher,
    /// So that who reads the digest cannot try bodies: one may be a secret's value.
    key: KeyHasher,
    once: Arc<Once>,
}

impl Digest {
    /// No value of a header and no target has a line's end in it.
    fn line(&mut self, text: &[u8]) {
        self.hasher.update(text);
        self.hasher.update(b"\n");
    }

    fn end(self) {
        self.once.read(self.key.hash(&self.hasher.finish().to_string()));
    }
}

/// A body that is digested as it is read.
struct Digesting {
    body: Body,
    digest: Option<Digest>,
}

impl http_body::Body for Digesting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(bytes), Some(digest)) = (frame.data_ref(), &mut self.digest) {
                    digest.hasher.update(bytes);
                }
            }
            Some(Err(_)) => self.digest = None,
            None => self.digest.take().into_iter().for_each(Digest::end),
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(line).unwrap());
        }
        key(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_a_text_in_quotes_or_without() {
        let of = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["8e03978e-40d5"]), of("8e03978e-40d5"));
        assert_eq!(read(&[r#""8e03978e-40d5""#]), of("8e03978e-40d5"));
        let long = "x".repeat(KEY_BYTES_MAX);
        assert_eq!(read(&[&long]), of(&long));
        for wrong in ["", r#""""#, r#"""#, "a b", r#"a"b"#, &"x".repeat(KEY_BYTES_MAX + 1)] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
        assert!(read(&["a", "a"]).is_err(), "two are none");
    }

    #[test]
    fn what_is_done_by_one_is_not_begun_by_another() {
        let under_way = UnderWay::default();
        let name =
            |key: &str| RequestName { tenant: "acme".parse().unwrap(), caller: "k".to_owned(), key: key.to_owned() };
        let (a, b) = (name("a"), name("b"));
        let turn = under_way.enter(&a).unwrap();
        assert!(matches!(under_way.enter(&a), Err(AskedError::UnderWay)));
        assert!(under_way.enter(&b).is_ok());
        drop(turn);
        assert!(under_way.enter(&a).is_ok());
    }
}
