//! Ends its answer as no guest should. `how`: `stream` (default) finishes the body while its stream is open, `trailers` with more
//! trailers than are allowed, `more` after more bytes than it announced, `early` finishes it before the answer is set and then sets
//! it.
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Request, handler};

handler!(raw end);

fn end(request: IncomingRequest, out: ResponseOutparam) {
    let how = Request::new(request).param("how").unwrap_or_default();
    let headers = match how.as_str() {
        "more" => vec![("content-length".to_owned(), b"5".to_vec())],
        _ => Vec::new(),
    };
    let Ok(fields) = Fields::from_list(&headers) else { return };
    let response = OutgoingResponse::new(fields);
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    if how == "early" {
        let _ = stream.write(b"early");
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
        ResponseOutparam::set(out, Ok(response));
        return;
    }
    ResponseOutparam::set(out, Ok(response));
    let _ = stream.blocking_write_and_flush(b"begun");
    match how.as_str() {
        "trailers" => {
            drop(stream);
            let trailers: Vec<_> = (0..2000).map(|n| (format!("x-trailer-{n}"), vec![b'x'; 100])).collect();
            let trailers = Fields::from_list(&trailers).ok();
            let _ = OutgoingBody::finish(body, trailers);
        }
        "more" => {
            let _ = stream.blocking_write_and_flush(b", and on and on");
            drop(stream);
            let _ = OutgoingBody::finish(body, None);
        }
        _ => {
            // The stream is a child of the body's, which the host does not let go before it.
            let _ = OutgoingBody::finish(body, None);
            drop(stream);
        }
    }
}
