//! Tries to set headers that are the server's own on its answer, one by one, by `append`. Answers which were refused and
//! which were not, and what became of all of them at once by `from-list`:
//! `{"refused": […], "accepted": […], "list": "refused" | "accepted"}`. Those that `append` accepted are on the answer.
use modelet_sdk::handler;
use modelet_sdk::wasi::http::types::IncomingRequest;
use modelet_sdk::wasi::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use serde_json::json;

handler!(raw forge);

const NAMES: [&str; 16] = [
    "modelet-invocation",
    "Modelet-Caller",
    "modelet-anything",
    "server-timing",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "x-own",
    "x-modelet",
];

fn forge(_: IncomingRequest, out: ResponseOutparam) {
    let fields = Fields::new();
    let (accepted, refused): (Vec<&str>, Vec<&str>) =
        NAMES.into_iter().partition(|name| fields.append(name, b"forged").is_ok());
    let all = NAMES.map(|name| (name.to_owned(), b"forged".to_vec()));
    let list = if Fields::from_list(&all).is_ok() { "accepted" } else { "refused" };
    let report = json!({ "refused": refused, "accepted": accepted, "list": list });
    let response = OutgoingResponse::new(fields);
    let Ok(body) = response.body() else { return };
    let Ok(stream) = body.write() else { return };
    ResponseOutparam::set(out, Ok(response));
    let _ = stream.blocking_write_and_flush(report.to_string().as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
