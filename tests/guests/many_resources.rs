//! Makes resources of the host and keeps them: `n` (1,000,000) of the kind `of`, which is `fields` (default), `pollables` or
//! `tensors`. The host traps at its cap; else the answer is `{"held": n}`.
use modelet_sdk::wasi::clocks::monotonic_clock::subscribe_duration;
use modelet_sdk::wasi::http::types::Fields;
use modelet_sdk::{Error, Request, Response, Tensor, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(hoard);

fn hoard(request: Request) -> Result<Response, Error> {
    let n = number(&request, "n", 1_000_000)?;
    let held = match request.param("of").as_deref() {
        Some("pollables") => keep(n, || Ok(subscribe_duration(u64::MAX)))?,
        Some("tensors") => keep(n, || Tensor::vector(&[0_u8]))?,
        _ => keep(n, || Ok(Fields::new()))?,
    };
    Response::json(&json!({ "held": held }))
}

fn keep<T>(n: u64, make: impl Fn() -> Result<T, Error>) -> Result<usize, Error> {
    let held: Vec<T> = (0..n).map(|_| make()).collect::<Result<_, _>>()?;
    Ok(held.len())
}
