//! Traps (`unreachable`) before it answers. With `pause_ms` it first waits in the host.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, pause};

handler!(trap);

fn trap(request: Request) -> Result<Response, Error> {
    match number(&request, "pause_ms", 0)? {
        0 => {}
        ms => pause(ms),
    }
    std::process::abort()
}
