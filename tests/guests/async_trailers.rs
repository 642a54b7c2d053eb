//! Answers the request's trailers as lines `name: value`, read after its body, and sends trailers of its own: `checksum`, and those that
//! are the server's.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
use modelet_test_guests::service::{body_of, streaming};

service!(trailers);

async fn trailers(request: Request) -> Result<Response, ErrorCode> {
    let (from, end) = body_of(request);
    let len = from.collect().await.len();
    let end = end.await?;
    let seen = end.map(|trailers| trailers.copy_all()).unwrap_or_default();
    let lines = seen.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
    let text = format!("{len} bytes\n{}", lines.collect::<String>());
    let (response, mut body) = streaming(Fields::new());
    wit_bindgen::spawn_local(async move {
        body.bytes.write_all(text.into_bytes()).await;
        drop(body.bytes);
        let own = Fields::new();
        for name in ["checksum", "modelet-invocation", "server-timing", "transfer-encoding"] {
            // What is refused is not there.
            let _ = own.append(name, b"5");
        }
        let _ = body.end.write(Ok(Some(own))).await;
    });
    Ok(response)
}
