//! Panics before it answers; the message is `this guest panics` and goes to stderr.
use modelet_sdk::{Error, Request, Response, handler};

handler!(fall);

#[expect(clippy::panic, reason = "it is what this guest shows")]
fn fall(_: Request) -> Result<Response, Error> {
    panic!("this guest panics")
}
