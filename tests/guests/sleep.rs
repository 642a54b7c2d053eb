//! Waits in the host for ever: `for`: `clock` (default), `many` (1,000 clocks at a time) or `body` (the request's, to its end).
use modelet_sdk::wasi::clocks::monotonic_clock::subscribe_duration;
use modelet_sdk::wasi::io::poll::{Pollable, poll};
use modelet_sdk::{Error, Request, Response, handler};

handler!(wait);

fn wait(request: Request) -> Result<Response, Error> {
    match request.param("for").as_deref() {
        Some("many") => {
            let clocks: Vec<Pollable> = (0..1000).map(|_| subscribe_duration(u64::MAX)).collect();
            let _ = poll(&clocks.iter().collect::<Vec<_>>());
        }
        Some("body") => {
            let _ = request.bytes()?;
        }
        _ => subscribe_duration(u64::MAX).block(),
    }
    Ok(Response::text("awake\n"))
}
