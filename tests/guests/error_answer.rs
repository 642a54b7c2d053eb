//! Answers with a `wasi:http` error (`internal-error("a secret of the guest")`) instead of a response. With `bytes` (0) the error says
//! so many letters more.
use modelet_sdk::wasi::http::types::{ErrorCode, IncomingRequest, ResponseOutparam};
use modelet_sdk::{Request, handler};
use modelet_test_guests::size;

handler!(raw fail);

fn fail(request: IncomingRequest, out: ResponseOutparam) {
    let bytes = size(&Request::new(request), "bytes", 0).unwrap_or(0);
    let text = format!("a secret of the guest{}", "!".repeat(bytes));
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(text))));
}
