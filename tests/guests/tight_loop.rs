//! Computes without a call, a look into memory or an allocation: `turns` turns of xorshift (1000) from the same seed. Answers the last number.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;

handler!(turn);

fn turn(request: Request) -> Result<Response, Error> {
    let turns = number(&request, "turns", 1000)?;
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..turns {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    Ok(Response::text(format!("{number}\n")))
}
