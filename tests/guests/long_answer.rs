//! Promises five bytes by `content-length` and tries to send `bytes` (10). Logs whether the host took them.
use modelet_sdk::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use modelet_sdk::{Request, handler};
use modelet_test_guests::size;

handler!(raw long);

fn long(request: IncomingRequest, out: ResponseOutparam) {
    let Ok(bytes) = size(&Request::new(request), "bytes", 10) else { return };
    let Ok(fields) = Fields::from_list(&[("content-length".to_owned(), b"5".to_vec())]) else { return };
    let response = OutgoingResponse::new(fields);
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let is_taken = stream.blocking_write_and_flush(&vec![b'x'; bytes]).is_ok();
    drop(stream);
    let is_finished = OutgoingBody::finish(body, None).is_ok();
    eprintln!("taken {is_taken}, finished {is_finished}");
}
