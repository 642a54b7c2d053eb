//! Loads a model from the body's bytes. Answers 422 with `{"stage","code","data"}` where the host refuses, 200 otherwise.
use modelet_sdk::wasi::nn::graph::{ExecutionTarget, GraphEncoding, load};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::Refusal;

handler!(load_bytes);

fn load_bytes(request: Request) -> Result<Response, Error> {
    let bytes = request.into_bytes()?;
    match load(&[bytes], GraphEncoding::Onnx, ExecutionTarget::Cpu) {
        Ok(_) => Ok(Response::text("loaded\n")),
        Err(error) => Refusal::of("load", &error).answer(),
    }
}
