//! Makes tensors of `n` strings (1) of `bytes` bytes each (1), `times` times (1), and keeps them. Answers 200 with how many it
//! holds, or 422 with `{"stage","code","data"}`.
use modelet_sdk::modelet::nn::tensors::tensor_of_strings;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::Refusal;
use modelet_test_guests::{number, size};

handler!(make);

fn make(request: Request) -> Result<Response, Error> {
    let n = u32::try_from(size(&request, "n", 1)?)?;
    let strings = vec!["x".repeat(size(&request, "bytes", 1)?); n as usize];
    let mut held = Vec::new();
    for _ in 0..number(&request, "times", 1)? {
        match tensor_of_strings(&[n], &strings) {
            Ok(tensor) => held.push(tensor),
            Err(error) => return Refusal::of("tensor", &error).answer(),
        }
    }
    Response::json(&held.len())
}
