//! Answers how many milliseconds are left before and after a pause of `ms` (20): `[before, after]`.
use modelet_sdk::{Error, Request, Response, deadline_left, handler};
use modelet_test_guests::{number, pause};

handler!(left);

fn left(request: Request) -> Result<Response, Error> {
    let left_ms = || deadline_left().map(|left| left.as_millis() as u64);
    let before = left_ms();
    pause(number(&request, "ms", 20)?);
    Response::json(&[before, left_ms()])
}
