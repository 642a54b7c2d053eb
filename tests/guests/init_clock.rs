//! Wants to know the time in `init`, which has no clock; answers `late` from an instance in which that was never known.
use std::sync::LazyLock;
use std::time::SystemTime;

use modelet_sdk::{Error, Request, Response, handler, init};

handler!(clock);
init!(BORN);

static BORN: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

fn clock(_: Request) -> Result<Response, Error> {
    let is_late = BORN.elapsed().is_ok();
    Ok(Response::text(if is_late { "late\n" } else { "early\n" }))
}
