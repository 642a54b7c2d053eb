//! Computes for `ms` (50) milliseconds by its clock, waits for `pause_ms` (0), and answers with `pieces` (1) lines, `computed`, computing
//! for `ms` again before each but the first. With `then=sleep` it never wakes up after the first turn.
use modelet_sdk::wasi::clocks::monotonic_clock::now;
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Request, handler};
use modelet_test_guests::{number, pause};

handler!(raw answer);

fn answer(request: IncomingRequest, out: ResponseOutparam) {
    let request = Request::new(request);
    let of = |name, default| number(&request, name, default).unwrap_or(default);
    let (ms, pause_ms, pieces) = (of("ms", 50), of("pause_ms", 0), of("pieces", 1));
    compute(ms);
    if request.param("then").as_deref() == Some("sleep") {
        pause(u64::MAX);
    }
    if pause_ms > 0 {
        pause(pause_ms);
    }
    let response = OutgoingResponse::new(Fields::new());
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    for piece in 0..pieces {
        if piece > 0 {
            compute(ms);
        }
        if stream.blocking_write_and_flush(b"computed\n").is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn compute(ms: u64) {
    let until = now() + ms * 1_000_000;
    while now() < until {
        (0..10_000_u64).for_each(|turn| _ = std::hint::black_box(turn));
    }
}
