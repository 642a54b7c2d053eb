//! Promises more than it sends: `content-length: 100`, five bytes, and then what `then` says: `drop` (default) returns
//! without finishing the body, `finish` finishes it, `trap` traps.
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Request, handler};

handler!(raw short);

fn short(request: IncomingRequest, out: ResponseOutparam) {
    let then = Request::new(request).param("then").unwrap_or_default();
    let Ok(fields) = Fields::from_list(&[("content-length".to_owned(), b"100".to_vec())]) else { return };
    let response = OutgoingResponse::new(fields);
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let _ = stream.blocking_write_and_flush(b"short");
    drop(stream);
    match then.as_str() {
        "finish" => {
            let _ = OutgoingBody::finish(body, None);
        }
        "trap" => std::process::abort(),
        _ => {}
    }
}
