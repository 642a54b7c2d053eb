//! Leaves bytes with the host and keeps hold of them: `n` (1,000,000) times, of the kind `of`: `tensors` (default, 1 MiB each),
//! `headers` (60 kB each), `bodies` (of answers, each with a piece written), `methods` (1 MiB each) or `paths` (60 kB each). The host
//! traps at the function's memory; else the answer is `{"held": n}`.
use modelet_sdk::wasi::http::types::{Fields, Method, OutgoingRequest, OutgoingResponse};
use modelet_sdk::{Error, Request, Response, Tensor, handler};
use modelet_test_guests::number;
use serde_json::json;

handler!(hoard);

fn hoard(request: Request) -> Result<Response, Error> {
    let n = number(&request, "n", 1_000_000)?;
    let (kib, mib) = ("x".repeat(60_000), "X".repeat(1 << 20));
    let path = format!("/{kib}");
    let held = match request.param("of").as_deref() {
        Some("headers") => keep(n, || {
            let fields = Fields::new();
            let _ = fields.append("x-hoard", kib.as_bytes());
            Ok(fields)
        })?,
        Some("bodies") => keep(n, || {
            let response = OutgoingResponse::new(Fields::new());
            let body = response.body().map_err(|()| Error::internal("no body"))?;
            let stream = body.write().map_err(|()| Error::internal("no stream"))?;
            let room = stream.check_write().map_err(|_| Error::internal("no room"))?;
            let piece = kib.as_bytes().get(..usize::try_from(room)?.min(kib.len())).unwrap_or_default();
            stream.write(piece).map_err(|_| Error::internal("not written"))?;
            Ok((response, body, stream))
        })?,
        Some("methods") => keep(n, || {
            let outgoing = OutgoingRequest::new(Fields::new());
            let _ = outgoing.set_method(&Method::Other(mib.clone()));
            Ok(outgoing)
        })?,
        Some("paths") => keep(n, || {
            let outgoing = OutgoingRequest::new(Fields::new());
            let _ = outgoing.set_path_with_query(Some(&path));
            Ok(outgoing)
        })?,
        _ => keep(n, || Tensor::vector(mib.as_bytes()))?,
    };
    Response::json(&json!({ "held": held }))
}

fn keep<T>(n: u64, make: impl Fn() -> Result<T, Error>) -> Result<usize, Error> {
    let held: Vec<T> = (0..n).map(|_| make()).collect::<Result<_, _>>()?;
    Ok(held.len())
}
