//! Sends the body back as it comes in, holding none of it. A broken request body breaks the answer off.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::wasi::io::streams::StreamError;

handler!(raw echo);

fn echo(request: IncomingRequest, out: ResponseOutparam) {
    let Ok(body) = request.consume() else { return };
    let Ok(from) = body.stream() else { return };
    let response = OutgoingResponse::new(Fields::new());
    let Ok(answer) = response.body() else { return };
    let Ok(to) = answer.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let end = loop {
        if let Err(error) = to.blocking_splice(&from, 64 * 1024) {
            break error;
        }
    };
    drop(to);
    if matches!(end, StreamError::Closed) {
        let _ = OutgoingBody::finish(answer, None);
    }
}
