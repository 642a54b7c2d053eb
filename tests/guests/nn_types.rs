//! Runs any model on tensors of any type through `modelet:nn`: body and answer are those of `nn.rs`, and a scalar has no
//! dimensions. Every input is lent to two runs, of which the second is answered.
use modelet_sdk::modelet::nn::models::{Output, compute};
use modelet_sdk::wasi::nn::graph::load_by_name;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::Refusal;
use modelet_test_guests::frame::Frame;
use modelet_test_guests::typed::{part, tensor};

handler!(run);

fn run(request: Request) -> Result<Response, Error> {
    let frame = Frame::decode(request.bytes()?).map_err(Error::bad_request)?;
    let answer = outputs(&frame).and_then(|outputs| {
        let parts = outputs.iter().map(part).collect::<Result<_, _>>();
        parts.map_err(|error| Refusal::of("tensor", &error))
    });
    match answer {
        Ok(tensors) => {
            let answer = Frame { model: String::new(), tensors };
            Ok(Response::bytes("application/octet-stream", answer.encode().map_err(Error::internal)?))
        }
        Err(refusal) => refusal.answer(),
    }
}

fn outputs(frame: &Frame<'_>) -> Result<Vec<Output>, Refusal> {
    let graph = load_by_name(&frame.model).map_err(|error| Refusal::of("load", &error))?;
    let context = graph.init_execution_context().map_err(|error| Refusal::of("init", &error))?;
    let made = frame.tensors.iter().map(|part| Ok((part.name.clone(), tensor(part)?))).collect::<Result<Vec<_>, _>>();
    let made = made.map_err(|error| Refusal::of("tensor", &error))?;
    let inputs: Vec<_> = made.iter().map(|(name, tensor)| (name.clone(), tensor)).collect();
    let run = || compute(&context, &inputs).map_err(|error| Refusal::of("compute", &error));
    drop(run()?);
    run()
}
