//! Answers `answered` in full, and then traps.
use modelet_sdk::Response;
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{IncomingRequest, ResponseOutparam};

handler!(raw answer);

fn answer(request: IncomingRequest, out: ResponseOutparam) {
    drop(request);
    Response::text("answered\n").send(out);
    std::process::abort()
}
