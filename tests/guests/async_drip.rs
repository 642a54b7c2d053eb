//! Answers `n` (1000) lines, `0`, `1`, …, one every `pause_ms` (10) milliseconds: an answer that outlives its client. After it, or when
//! nobody takes it any more, it writes `sent: …` to stderr: what it was told of how the answer went.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
use modelet_test_guests::service::{number, pause, streaming};

service!(drip);

async fn drip(request: Request) -> Result<Response, ErrorCode> {
    let (n, pause_ms) = (number(&request, "n", 1000), number(&request, "pause_ms", 10));
    let (response, mut body) = streaming(Fields::new());
    wit_bindgen::spawn_local(async move {
        for line in 0..n {
            if !body.bytes.write_all(format!("{line}\n").into_bytes()).await.is_empty() {
                break;
            }
            pause(pause_ms).await;
        }
        drop(body.bytes);
        let _ = body.end.write(Ok(None)).await;
        eprintln!("sent: {:?}", body.sent.await);
    });
    Ok(response)
}
