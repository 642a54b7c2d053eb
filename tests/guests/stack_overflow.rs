//! Calls itself until the stack ends, or `depth` times; then answers the depth.
use std::hint::black_box;

use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(fall);

fn fall(request: Request) -> Result<Response, Error> {
    let depth = deeper(number(&request, "depth", u64::MAX)?, &[0; 64]);
    Response::json(&json!({ "depth": depth }))
}

fn deeper(left: u64, above: &[u8; 64]) -> u64 {
    if left == 0 {
        return 0;
    }
    let here = black_box(*above);
    // What comes after the call keeps it from being a loop.
    1 + black_box(deeper(black_box(left - 1), &here))
}
