//! Answers `hello N`, where N counts the requests of this instance, this one included: by `wasi:http` 0.3.
use std::sync::atomic::{AtomicU32, Ordering};

use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Request, Response};
use modelet_test_guests::service::text;

service!(hello);

static REQUESTS: AtomicU32 = AtomicU32::new(0);

async fn hello(_: Request) -> Result<Response, ErrorCode> {
    Ok(text(format!("hello {}\n", REQUESTS.fetch_add(1, Ordering::Relaxed) + 1)))
}
