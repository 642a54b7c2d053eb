//! Answers `n` (1000) lines, `0`, `1`, …, one every `pause_ms` (10) milliseconds: an answer that outlives its client.
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Request, handler};
use modelet_test_guests::{number, pause};

handler!(raw drip);

fn drip(request: IncomingRequest, out: ResponseOutparam) {
    let request = Request::new(request);
    let Ok(n) = number(&request, "n", 1000) else { return };
    let Ok(pause_ms) = number(&request, "pause_ms", 10) else { return };
    let response = OutgoingResponse::new(Fields::new());
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    for line in 0..n {
        if stream.blocking_write_and_flush(format!("{line}\n").as_bytes()).is_err() {
            return;
        }
        pause(pause_ms);
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
