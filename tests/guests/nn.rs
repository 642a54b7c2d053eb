//! Runs any model on any tensors: the body is a frame (see `frame.rs`) with the inputs, the answer 200 is a frame with the
//! outputs in the host's order. What `wasi:nn` refuses is answered by 422 with `{"stage","code","data"}`: the stage is
//! `load`, `init` or `compute`, the code is WIT's (`invalid-argument`, …). A body that is no frame, or has element types that
//! `wasi:nn` has not, is answered by 400. See `nn_types.rs` for those.
use std::borrow::Cow;

use modelet_sdk::wasi::nn::graph::load_by_name;
use modelet_sdk::wasi::nn::tensor::Tensor;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::{Refusal, kind, standard};
use modelet_test_guests::frame::{Frame, Part};

handler!(run);

fn run(request: Request) -> Result<Response, Error> {
    let frame = Frame::decode(request.bytes()?).map_err(Error::bad_request)?;
    let input = |part: &Part<'_>| Ok((part.name.clone(), Tensor::new(&part.dims, standard(part.kind)?.0, &part.data)));
    let inputs = frame.tensors.iter().map(input).collect::<Result<_, Error>>()?;
    match compute(&frame.model, inputs) {
        Ok(outputs) => {
            let tensors = outputs.into_iter().map(part).collect();
            let answer = Frame { model: String::new(), tensors };
            Ok(Response::bytes("application/octet-stream", answer.encode().map_err(Error::internal)?))
        }
        Err(refusal) => refusal.answer(),
    }
}

fn compute(model: &str, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Refusal> {
    let graph = load_by_name(model).map_err(|error| Refusal::of("load", &error))?;
    let context = graph.init_execution_context().map_err(|error| Refusal::of("init", &error))?;
    context.compute(inputs).map_err(|error| Refusal::of("compute", &error))
}

fn part((name, tensor): (String, Tensor)) -> Part<'static> {
    Part { name, kind: kind(tensor.ty()), dims: tensor.dimensions(), data: Cow::Owned(tensor.data()) }
}
