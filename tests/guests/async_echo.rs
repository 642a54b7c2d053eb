//! Sends the body and its trailers back as they come in, holding none of them: through its own memory, or, with `via=host`, by handing the
//! streams themselves over.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
use modelet_test_guests::service::{body_of, param, streaming};
use wit_bindgen::StreamResult;

service!(echo);

const PIECE: usize = 64 * 1024;

async fn echo(request: Request) -> Result<Response, ErrorCode> {
    let by_host = param(&request, "via").as_deref() == Some("host");
    let (mut from, end) = body_of(request);
    if by_host {
        return Ok(Response::new(Fields::new(), Some(from), end).0);
    }
    let (response, mut to) = streaming(Fields::new());
    wit_bindgen::spawn_local(async move {
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            let (read, bytes) = from.read(piece).await;
            let is_over = !matches!(read, StreamResult::Complete(_));
            let left = to.bytes.write_all(bytes).await;
            if is_over || !left.is_empty() {
                break;
            }
            piece = Vec::with_capacity(PIECE);
        }
        drop((from, to.bytes));
        let _ = to.end.write(end.await).await;
    });
    Ok(response)
}
