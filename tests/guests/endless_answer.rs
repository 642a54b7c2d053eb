//! Answers with pieces of 4 kB and never ends, waiting `pause_ms` (0) milliseconds between them. With `swell=1` it keeps a copy of each
//! piece, so that its memory grows with its answer.
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Request, handler};
use modelet_test_guests::{number, pause};

handler!(raw answer);

const PIECE: [u8; 4096] = [b'x'; 4096];

fn answer(request: IncomingRequest, out: ResponseOutparam) {
    let request = Request::new(request);
    let pause_ms = number(&request, "pause_ms", 0).unwrap_or(0);
    let swells = number(&request, "swell", 0).unwrap_or(0) == 1;
    let response = OutgoingResponse::new(Fields::new());
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let mut kept = Vec::new();
    while stream.blocking_write_and_flush(&PIECE).is_ok() {
        if swells {
            kept.push(std::hint::black_box(PIECE.repeat(64)));
        }
        if pause_ms > 0 {
            pause(pause_ms);
        }
    }
}
