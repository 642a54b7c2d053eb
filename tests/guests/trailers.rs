//! Answers the request's trailers as lines `name: value`, read after its body, and sends trailers of its own: `checksum`, and those that
//! are the server's.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use modelet_sdk::wasi::io::streams::StreamError;

handler!(raw trailers);

fn trailers(request: IncomingRequest, out: ResponseOutparam) {
    let Some(text) = seen(&request) else { return };
    let response = OutgoingResponse::new(Fields::new());
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let _ = stream.blocking_write_and_flush(text.as_bytes());
    drop(stream);
    let own = Fields::new();
    for name in ["checksum", "modelet-invocation", "server-timing", "transfer-encoding"] {
        // What is refused is not there.
        let _ = own.append(name, b"5");
    }
    let _ = OutgoingBody::finish(body, Some(own));
}

/// `None`: the body broke off.
fn seen(request: &IncomingRequest) -> Option<String> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    let mut len = 0;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => len += bytes.len(),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
    drop(stream);
    let end = IncomingBody::finish(body);
    end.subscribe().block();
    let seen = end.get()?.ok()?.ok()?.map(|trailers| trailers.entries()).unwrap_or_default();
    let lines = seen.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
    Some(format!("{len} bytes\n{}", lines.collect::<String>()))
}
