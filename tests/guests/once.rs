//! Answers `first` to its first request and traps at the second: some guests cannot be called again. With `gentle` in the query
//! it answers `gentle` as often as one likes.
use std::sync::atomic::{AtomicBool, Ordering};

use modelet_sdk::{Error, Request, Response, handler};

handler!(once);

static IS_USED: AtomicBool = AtomicBool::new(false);

fn once(request: Request) -> Result<Response, Error> {
    if request.param("gentle").is_some() {
        return Ok(Response::text("gentle\n"));
    }
    if IS_USED.swap(true, Ordering::Relaxed) {
        std::process::abort()
    }
    Ok(Response::text("first\n"))
}
