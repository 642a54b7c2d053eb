//! Answers `hello` as long as its `init` has not run; traps where it has.
use std::sync::atomic::{AtomicBool, Ordering};

use modelet_sdk::{Error, Request, Response, handler, init};

handler!(hello);
init!(fn spoil);

static IS_SPOILT: AtomicBool = AtomicBool::new(false);

fn spoil() {
    IS_SPOILT.store(true, Ordering::Relaxed);
}

fn hello(_: Request) -> Result<Response, Error> {
    if IS_SPOILT.load(Ordering::Relaxed) {
        std::process::abort()
    }
    Ok(Response::text("hello\n"))
}
