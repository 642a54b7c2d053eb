//! Answers `answered` in full, and then stays for `pause_ms` (100) milliseconds before it returns.
use modelet_sdk::wasi::http::types::{IncomingRequest, ResponseOutparam};
use modelet_sdk::{Request, Response, handler};
use modelet_test_guests::{number, pause};

handler!(raw linger);

fn linger(request: IncomingRequest, out: ResponseOutparam) {
    let pause_ms = number(&Request::new(request), "pause_ms", 100).unwrap_or(100);
    Response::text("answered\n").send(out);
    pause(pause_ms);
}
