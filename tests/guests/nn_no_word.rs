//! Asks `wasi:nn` about tensors that it has no word for: `ask` is `ty` (of 8-bit integers), `data` (of strings), or what it does
//! know: `dimensions` and `bytes` (of 8-bit integers), `bool` (the type of booleans). Answers with what it says, or traps.
use modelet_sdk::modelet::nn::tensors::{tensor_of, tensor_of_strings};
use modelet_sdk::{ElementType, Error, Request, Response, handler};

handler!(ask);

fn ask(request: Request) -> Result<Response, Error> {
    let failed = |_| Error::internal("it could not be made");
    let integers = tensor_of(&[2], ElementType::I8, &[1, 255]).map_err(failed)?;
    let strings = tensor_of_strings(&[1], &["a".to_owned()]).map_err(failed)?;
    let booleans = tensor_of(&[], ElementType::Bool, &[1]).map_err(failed)?;
    Response::json(&match request.param("ask").unwrap_or_default().as_str() {
        "ty" => format!("{:?}", integers.ty()),
        "data" => format!("{:?}", strings.data()),
        "dimensions" => format!("{:?} {:?} {:?}", integers.dimensions(), strings.dimensions(), booleans.dimensions()),
        "bytes" => format!("{:?}", integers.data()),
        "bool" => format!("{:?}", booleans.ty()),
        other => return Err(Error::bad_request(format!("`ask` is {other:?}"))),
    })
}
