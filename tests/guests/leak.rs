//! Makes `n` (1,000) resources of the host at each request, forgets their handles, and answers `{"leaked": all so far}`, as long as the
//! instance lives.
use std::sync::atomic::{AtomicU64, Ordering};

use modelet_sdk::wasi::http::types::Fields;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(leak);

static LEAKED: AtomicU64 = AtomicU64::new(0);

fn leak(request: Request) -> Result<Response, Error> {
    let n = number(&request, "n", 1000)?;
    (0..n).for_each(|_| std::mem::forget(Fields::new()));
    let leaked = LEAKED.fetch_add(n, Ordering::Relaxed) + n;
    Response::json(&json!({ "leaked": leaked }))
}
