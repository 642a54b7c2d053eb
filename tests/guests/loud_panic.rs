//! Panics with a message of `bytes` (4,000,000) letters; with `lines=1` each is a line.
#![allow(clippy::panic, reason = "its panic is what the test is about")]
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, size};

handler!(shout);

fn shout(request: Request) -> Result<Response, Error> {
    let bytes = size(&request, "bytes", 4_000_000)?;
    let text = if number(&request, "lines", 0)? == 1 { "a\n" } else { "a" };
    panic!("{}", text.repeat(bytes / text.len()))
}
