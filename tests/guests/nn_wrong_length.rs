//! Gives the digits model (or what `model` and `input` of the query name) tensors whose bytes do not fit their shape, and
//! answers what became of each: `[{"case", "dims", "bytes", "code"}]`, with `code` `null` where the model ran.
use modelet_sdk::wasi::nn::tensor::{Tensor, TensorType};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::call::{Call, Refusal};
use serde_json::json;

handler!(misfit);

const CASES: [(&str, &[u32], usize); 8] = [
    ("fits", &[1, 64], 256),
    ("one byte short", &[1, 64], 255),
    ("one byte over", &[1, 64], 257),
    ("nothing", &[1, 64], 0),
    ("half an element", &[1, 64], 2),
    ("a shape that overflows", &[u32::MAX, u32::MAX, u32::MAX, u32::MAX], 256),
    ("a shape that is zero after an overflow", &[1 << 31, 1 << 31, 4], 0),
    ("no shape", &[], 256),
];

fn misfit(request: Request) -> Result<Response, Error> {
    let call = Call::of(&request)?;
    let context = match call.context() {
        Ok(context) => context,
        Err(error) => return Refusal::of("load", &error).answer(),
    };
    let bytes = vec![0; 257];
    let report = CASES.map(|(case, dims, len)| {
        let tensor = Tensor::new(dims, TensorType::Fp32, bytes.get(..len).unwrap_or_default());
        // A tensor that fits nothing can still be looked at.
        let seen = (tensor.dimensions().len(), tensor.data().len());
        let refusal = context.compute(vec![("X".to_owned(), tensor)]).err().map(|error| Refusal::of("compute", &error));
        json!({ "case": case, "dims": seen.0, "bytes": seen.1, "code": refusal.map(|refusal| refusal.code) })
    });
    Response::json(report.as_slice())
}
