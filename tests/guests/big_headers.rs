//! Answers with `count` (1) headers `x-big-N` of `bytes` (1,000,000) letters each. Where the host does not take them it
//! traps, or refuses, which is answered as `refused: WHY`.
use modelet_sdk::wasi::http::types::Fields;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, size};

handler!(inflate);

fn inflate(request: Request) -> Result<Response, Error> {
    let value = vec![b'x'; size(&request, "bytes", 1_000_000)?];
    let count = number(&request, "count", 1)?;
    let headers: Vec<(String, Vec<u8>)> = (0..count).map(|n| (format!("x-big-{n}"), value.clone())).collect();
    if let Err(error) = Fields::from_list(&headers) {
        return Ok(Response::text(format!("refused: {error:?}\n")));
    }
    let answer = Response::text("taken\n");
    Ok(headers.into_iter().fold(answer, |answer, (name, value)| answer.with_header(&name, value)))
}
