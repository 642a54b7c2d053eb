//! Runs the model `slow-loop` for `n` turns (1) as functions do, by the SDK's `Model`, and answers the number it gives. What
//! the model refuses becomes the answer that the SDK makes of it.
use modelet_sdk::{Error, Model, Request, Response, Tensor, handler};
use modelet_test_guests::number;

handler!(run);

fn run(request: Request) -> Result<Response, Error> {
    let turns = i64::try_from(number(&request, "n", 1)?).map_err(Error::internal)?;
    let outputs = Model::load("slow-loop")?.run([("n", Tensor::vector(&[turns])?)])?;
    Response::json(&outputs.get("total")?.to_vec::<f32>()?)
}
