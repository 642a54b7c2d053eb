//! Tells which digit an 8x8 picture shows: `POST [64 grey values]` gives `{"digit": 7}`.
//! Its manifest has `[models] digits = { file = "models/digits.onnx" }`.
use modelet_sdk::{Error, Model, Request, Response, Tensor, handler};

handler!(classify);

fn classify(request: Request) -> Result<Response, Error> {
    let pixels: Vec<f32> = request.json()?;
    if pixels.len() != 64 {
        return Err(Error::bad_request(format!("a picture has 64 pixels, not {}", pixels.len())));
    }
    let outputs = Model::load("digits")?.run([("X", Tensor::new(&[1, 64], &pixels)?)])?;
    let digit = outputs.get("label")?.to_vec::<i64>()?;
    Response::json(&serde_json::json!({ "digit": digit.first() }))
}
