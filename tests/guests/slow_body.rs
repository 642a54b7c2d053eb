//! Reads its body slowly: `bytes` (1) at a time with a wait of `pause_ms` (10) after each read; or, with `never=1`, takes hold
//! of the body, reads nothing and answers. Answers `{"bytes": read, "end": "closed" | "failed" | "unread"}`.
use modelet_sdk::wasi::io::streams::StreamError;
use modelet_sdk::{Error, Request, Response, handler};
use modelet_test_guests::{number, pause};
use serde_json::json;

handler!(sip);

fn sip(request: Request) -> Result<Response, Error> {
    let piece = number(&request, "bytes", 1)?;
    let pause_ms = number(&request, "pause_ms", 10)?;
    let body = request.raw().consume().map_err(|()| Error::internal("the body is gone"))?;
    let stream = body.stream().map_err(|()| Error::internal("the stream is gone"))?;
    let mut read = 0;
    let end = if number(&request, "never", 0)? == 1 {
        "unread"
    } else {
        loop {
            match stream.blocking_read(piece) {
                Ok(bytes) => read += bytes.len(),
                Err(StreamError::Closed) => break "closed",
                Err(StreamError::LastOperationFailed(_)) => break "failed",
            }
            pause(pause_ms);
        }
    };
    Response::json(&json!({ "bytes": read, "end": end }))
}
