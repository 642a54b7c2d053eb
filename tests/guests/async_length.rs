//! Promises `promised` (100) bytes by `content-length`, sends `bytes` (5), and then does what `then` says: `end` (default) ends the body,
//! `trap` traps, `hold` keeps the body open for good, with no task behind it.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
use modelet_test_guests::service::{number, param, pause, streaming};

service!(length);

async fn length(request: Request) -> Result<Response, ErrorCode> {
    let fields = Fields::new();
    let promised = number(&request, "promised", 100).to_string();
    let bytes = vec![b'x'; usize::try_from(number(&request, "bytes", 5)).unwrap_or(usize::MAX)];
    let then = param(&request, "then").unwrap_or_default();
    if then != "hold" {
        fields.append("content-length", promised.as_bytes()).map_err(|error| internal(&format!("{error:?}")))?;
    }
    let (response, mut body) = streaming(fields);
    wit_bindgen::spawn_local(async move {
        body.bytes.write_all(bytes).await;
        match then.as_str() {
            "trap" => {
                pause(20).await;
                std::process::abort()
            }
            "hold" => std::mem::forget(body),
            _ => {
                drop(body.bytes);
                let _ = body.end.write(Ok(None)).await;
            }
        }
    });
    Ok(response)
}

fn internal(text: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(text.to_owned()))
}
