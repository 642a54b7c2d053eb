//! Sends `GET http://AUTHORITY/` by `wasi:http/outgoing-handler`, where `to` (`127.0.0.1:80`) is the authority. Answers
//! `{"refused": code}` where the host does not let it, at once or later, and `{"status": n}` where it does.
use modelet_sdk::wasi::http::outgoing_handler::handle;
use modelet_sdk::wasi::http::types::{ErrorCode, Fields, OutgoingRequest, Scheme};
use modelet_sdk::{Error, Request, Response, handler};
use serde_json::json;

handler!(call);

fn call(request: Request) -> Result<Response, Error> {
    let to = request.param("to").unwrap_or_else(|| "127.0.0.1:80".to_owned());
    match send(&to) {
        Ok(status) => Response::json(&json!({ "status": status })),
        Err(code) => Response::json(&json!({ "refused": format!("{code:?}") })),
    }
}

fn send(authority: &str) -> Result<u16, ErrorCode> {
    let unset = |()| ErrorCode::HttpRequestUriInvalid;
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(unset)?;
    request.set_authority(Some(authority)).map_err(unset)?;
    request.set_path_with_query(Some("/")).map_err(unset)?;
    let response = handle(request, None)?;
    response.subscribe().block();
    match response.get() {
        Some(Ok(response)) => Ok(response?.status()),
        // It is ready, and is taken once.
        _ => Err(ErrorCode::InternalError(None)),
    }
}
