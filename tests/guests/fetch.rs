//! Sends requests by `wasi:http/outgoing-handler`. The query says which: `url`, `method` (`GET`), `bytes` (0) of letters as the
//! body, `follow` (0): how many redirects are followed; `connect_ms`, `first_ms` and `between_ms`: how long it waits; `copies`
//! (1): how many are open at once; `header` and `value`: one header. Answers a list with, for each, `{"refused": code}` or
//! `{"status", "location", "bytes", "text": the first 300 letters, "end": "closed" or a code}`.
use modelet_sdk::wasi::http::outgoing_handler::handle;
use modelet_sdk::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme, http_error_code,
};
use modelet_sdk::wasi::io::streams::StreamError;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, size};
use serde_json::{Value, json};

handler!(fetch);

fn fetch(request: Request) -> Result<Response, Error> {
    let url = request.param("url").ok_or_else(|| Error::bad_request("no `url`"))?;
    let opened: Vec<_> = (0..number(&request, "copies", 1)?).map(|_| send(&request, &url)).collect();
    let follow = number(&request, "follow", 0)?;
    let reports: Vec<Value> = opened.into_iter().map(|opened| report(&request, opened, follow)).collect();
    Response::json(&reports)
}

/// What came of a request, and of those to which it was redirected.
fn report(request: &Request, opened: Result<FutureIncomingResponse, ErrorCode>, follow: u64) -> Value {
    let response = match opened.and_then(|opened| head(&opened)) {
        Ok(response) => response,
        Err(code) => return json!({ "refused": format!("{code:?}") }),
    };
    let location = response.headers().get("location").into_iter().next();
    let location = location.map(|value| String::from_utf8_lossy(&value).into_owned());
    if let Some(to) = location.as_ref().filter(|_| follow > 0) {
        return report(request, send(request, to), follow - 1);
    }
    let status = response.status();
    let (bytes, end) = body(&response);
    let text: String = String::from_utf8_lossy(&bytes).chars().take(300).collect();
    json!({ "status": status, "location": location, "bytes": bytes.len(), "text": text, "end": end })
}

fn send(request: &Request, url: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let fields = Fields::new();
    if let (Some(name), Some(value)) = (request.param("header"), request.param("value")) {
        fields.append(&name, value.as_bytes()).map_err(|_| ErrorCode::HttpRequestDenied)?;
    }
    let outgoing = OutgoingRequest::new(fields);
    outgoing.set_scheme(Some(&scheme)).map_err(invalid)?;
    outgoing.set_authority(Some(authority)).map_err(invalid)?;
    outgoing.set_path_with_query(Some(&format!("/{path}"))).map_err(invalid)?;
    let method = request.param("method").unwrap_or_else(|| "GET".to_owned());
    outgoing.set_method(&Method::Other(method)).map_err(invalid)?;
    let bytes = size(request, "bytes", 0).unwrap_or(0);
    let body = if bytes > 0 { Some(outgoing.body().map_err(invalid)?) } else { None };
    let opened = handle(outgoing, Some(options(request)))?;
    if let Some(body) = body {
        write(body, bytes);
    }
    Ok(opened)
}

fn options(request: &Request) -> RequestOptions {
    let options = RequestOptions::new();
    let ns = |name| number(request, name, 0).ok().filter(|ms| *ms > 0).map(|ms| ms * 1_000_000);
    let _ = options.set_connect_timeout(ns("connect_ms"));
    let _ = options.set_first_byte_timeout(ns("first_ms"));
    let _ = options.set_between_bytes_timeout(ns("between_ms"));
    options
}

/// Writes a body for as long as the other side takes it.
fn write(body: OutgoingBody, bytes: usize) {
    let Ok(stream) = body.write() else { return };
    let letters = vec![b'x'; bytes];
    let is_whole = letters.chunks(4096).all(|piece| stream.blocking_write_and_flush(piece).is_ok());
    drop(stream);
    if is_whole {
        let _ = OutgoingBody::finish(body, None);
    }
}

fn head(opened: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    opened.subscribe().block();
    match opened.get() {
        Some(Ok(response)) => response,
        // It is ready, and is taken once.
        _ => Err(ErrorCode::InternalError(None)),
    }
}

fn body(response: &IncomingResponse) -> (Vec<u8>, String) {
    let gone = || (Vec::new(), "gone".to_owned());
    let Ok(body) = response.consume() else { return gone() };
    let Ok(stream) = body.stream() else { return gone() };
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return (bytes, "closed".to_owned()),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error);
                return (bytes, code.map_or_else(|| error.to_debug_string(), |code| format!("{code:?}")));
            }
        }
    }
}
