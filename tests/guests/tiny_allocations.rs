//! Makes `n` (1,000,000) tiny allocations and keeps them, until there is no memory and it aborts; with `churn=1` it gives each back,
//! and never ends. Else it answers `{"made": n}`.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(make);

fn make(request: Request) -> Result<Response, Error> {
    let n = number(&request, "n", 1_000_000)?;
    while number(&request, "churn", 0)? == 1 {
        drop(std::hint::black_box(Box::new([0xa5_u8; 16])));
    }
    let made: Vec<Box<[u8; 16]>> = (0..n).map(|_| std::hint::black_box(Box::new([0xa5_u8; 16]))).collect();
    Response::json(&json!({ "made": made.len() }))
}
