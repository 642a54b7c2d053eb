//! Answers what it was asked, as JSON: `{"method", "path", "scheme", "authority", "headers": [[name, value], …], "refused": […]}`; `refused`
//! are the headers of the server's own that it tried to set on its answer and could not.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, HeaderError, Request, Response};
use modelet_test_guests::service::streaming;
use serde_json::json;

service!(report);

const NAMES: [&str; 12] = [
    "modelet-invocation",
    "Modelet-Caller",
    "server-timing",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "x-own",
    "content-type",
];

async fn report(request: Request) -> Result<Response, ErrorCode> {
    let fields = Fields::new();
    let is_refused = |name: &&str| matches!(fields.append(name, b"forged"), Err(HeaderError::Forbidden));
    let refused: Vec<&str> = NAMES.into_iter().filter(is_refused).collect();
    let seen = request.get_headers();
    let is_fixed = matches!(seen.append("x-late", b"1"), Err(HeaderError::Immutable));
    let headers: Vec<(String, String)> =
        seen.copy_all().into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
    let report = json!({
        "method": format!("{:?}", request.get_method()),
        "path": request.get_path_with_query(),
        "scheme": format!("{:?}", request.get_scheme()),
        "authority": request.get_authority(),
        "headers": headers,
        "refused": refused,
        "fixed": is_fixed,
    });
    let (response, body) = streaming(fields);
    wit_bindgen::spawn_local(body.finish(report.to_string()));
    Ok(response)
}
