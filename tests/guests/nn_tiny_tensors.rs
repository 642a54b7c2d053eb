//! Makes `n` tensors (1,000,000) of no element each and keeps them. Answers how many it holds, or traps at the limit.
use modelet_sdk::modelet::nn::tensors::tensor_of;
use modelet_sdk::{ElementType, Error, Request, Response, handler};
use modelet_test_guests::number;

handler!(make);

fn make(request: Request) -> Result<Response, Error> {
    let made = (0..number(&request, "n", 1_000_000)?).map(|_| tensor_of(&[0], ElementType::Bool, &[]));
    let held = made.collect::<Result<Vec<_>, _>>().map_err(|error| Error::internal(error.data()))?;
    Response::json(&held.len())
}
