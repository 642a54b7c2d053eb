//! Answers six bytes with as few calls into the host as an answer takes: what the benches compare servers by.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

handler!(raw hello);

const BODY: &[u8] = b"hello\n";

fn hello(_: IncomingRequest, out: ResponseOutparam) {
    let headers = [("content-type".to_owned(), b"text/plain".to_vec()), ("content-length".to_owned(), b"6".to_vec())];
    let Ok(fields) = Fields::from_list(&headers) else { return };
    let response = OutgoingResponse::new(fields);
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    // All is there before the answer is set, so that the host sees it whole. One call writes up to 4096 bytes.
    if stream.blocking_write_and_flush(BODY).is_err() {
        return;
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    ResponseOutparam::set(out, Ok(response));
}
