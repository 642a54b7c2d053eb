//! Answers how many requests this instance has had, this one included: 1 from a fresh one.
use std::sync::atomic::{AtomicU32, Ordering};

use modelet_sdk::{Error, Request, Response, handler};

handler!(count);

static REQUESTS: AtomicU32 = AtomicU32::new(0);

fn count(_: Request) -> Result<Response, Error> {
    Ok(Response::text(format!("{}\n", REQUESTS.fetch_add(1, Ordering::Relaxed) + 1)))
}
