//! Gets `http://TO/` by `wasi:http/client` 0.3 and answers with its status and body, or with `refused: ERROR`.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::client::send;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use modelet_test_guests::service::bindings::wit_future;
use modelet_test_guests::service::{param, text};

service!(fetch);

async fn fetch(request: Request) -> Result<Response, ErrorCode> {
    let to = param(&request, "to").unwrap_or_default();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (out, _) = Request::new(Fields::new(), None, trailers, None);
    let _ = (out.set_scheme(Some(&Scheme::Http)), out.set_authority(Some(&to)));
    let _ = out.set_path_with_query(Some("/"));
    let answer = match send(out).await {
        Ok(answer) => answer,
        Err(error) => return Ok(text(format!("refused: {error:?}"))),
    };
    let status = answer.get_status_code();
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, _) = Response::consume_body(answer, taken);
    Ok(text(format!("{status} {}", String::from_utf8_lossy(&body.collect().await))))
}
