//! Answers with a `wasi:http` error (`internal-error("a secret of the guest")`) instead of a response.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::{ErrorCode, IncomingRequest, ResponseOutparam};

handler!(raw fail);

fn fail(_: IncomingRequest, out: ResponseOutparam) {
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("a secret of the guest".to_owned()))));
}
