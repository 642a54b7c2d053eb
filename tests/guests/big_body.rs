//! Answers with `bytes` (1,000,000) letters, written piece by piece; `length=1` says so in `content-length`.
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, size};

handler!(raw answer);

const PIECE: [u8; 4096] = [b'x'; 4096];

fn answer(request: IncomingRequest, out: ResponseOutparam) {
    match prepare(&Request::new(request)) {
        Ok((response, bytes)) => send(response, bytes, out),
        Err(error) => Response::send(error.into_response(), out),
    }
}

fn prepare(request: &Request) -> Result<(OutgoingResponse, usize), Error> {
    let bytes = size(request, "bytes", 1_000_000)?;
    let headers = if number(request, "length", 0)? == 1 {
        vec![("content-length".to_owned(), bytes.to_string().into_bytes())]
    } else {
        Vec::new()
    };
    Ok((OutgoingResponse::new(Fields::from_list(&headers)?), bytes))
}

fn send(response: OutgoingResponse, mut left: usize, out: ResponseOutparam) {
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    while left > 0 {
        let piece = PIECE.get(..left.min(PIECE.len())).unwrap_or_default();
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
        left -= piece.len();
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
