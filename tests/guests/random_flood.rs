//! Asks for `bytes` (1 GiB) random bytes at once. The host traps over its cap; else the answer is `{"bytes": got}`.
use modelet_sdk::wasi::random::random::get_random_bytes;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(flood);

fn flood(request: Request) -> Result<Response, Error> {
    let bytes = get_random_bytes(number(&request, "bytes", 1 << 30)?);
    Response::json(&json!({ "bytes": bytes.len() }))
}
