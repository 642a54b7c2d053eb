//! Lends one tensor `n` times (1,000,000) to one call of the model `identity-u8`. Answers 422 with `{"stage","code","data"}` where
//! the host refuses, 200 otherwise.
use modelet_sdk::modelet::nn::models::compute;
use modelet_sdk::wasi::nn::graph::load_by_name;
use modelet_sdk::wasi::nn::tensor::{Tensor, TensorType};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::Refusal;
use modelet_test_guests::size;

handler!(lend);

fn lend(request: Request) -> Result<Response, Error> {
    let context = match load_by_name("identity-u8").and_then(|graph| graph.init_execution_context()) {
        Ok(context) => context,
        Err(error) => return Refusal::of("load", &error).answer(),
    };
    let tensor = Tensor::new(&[1], TensorType::U8, &[7]);
    let inputs = vec![("x".to_owned(), &tensor); size(&request, "n", 1_000_000)?];
    match compute(&context, &inputs) {
        Ok(_) => Ok(Response::text("lent\n")),
        Err(error) => Refusal::of("compute", &error).answer(),
    }
}
