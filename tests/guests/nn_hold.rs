//! Runs a model `n` times (100; the query describes the call as in `call.rs`) and keeps every output, so that the host
//! keeps all of them. Answers `{"held": tensors}`, or traps at the cap. With `inputs=1` it keeps inputs instead and runs
//! nothing.
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::{Call, Refusal};
use modelet_test_guests::number;
use serde_json::json;

handler!(hold);

fn hold(request: Request) -> Result<Response, Error> {
    let call = Call::of(&request)?;
    let n = number(&request, "n", 100)?;
    let mut held = Vec::new();
    if number(&request, "inputs", 0)? == 1 {
        held.extend((0..n).flat_map(|_| call.tensors()).map(|(_, tensor)| tensor));
        return Response::json(&json!({ "held": held.len() }));
    }
    let context = match call.context() {
        Ok(context) => context,
        Err(error) => return Refusal::of("load", &error).answer(),
    };
    for _ in 0..n {
        match call.compute(&context) {
            Ok(outputs) => held.extend(outputs.into_iter().map(|(_, tensor)| tensor)),
            Err(error) => return Refusal::of("compute", &error).answer(),
        }
    }
    Response::json(&json!({ "held": held.len() }))
}
