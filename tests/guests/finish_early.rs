//! Finishes its body while it still holds the stream that writes it, and writes on: `trailers after end`, which ends a guest.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

handler!(raw early);

fn early(_: IncomingRequest, out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let _ = stream.blocking_write_and_flush(b"begun");
    let _ = OutgoingBody::finish(body, Some(Fields::new()));
    let _ = stream.blocking_write_and_flush(b"after");
}
