//! Passes its request's body on to `POST url` piece by piece as it comes, and that answer's body back as it comes: holds none
//! of either. The piece that starts it is sent before the answer is waited for.
use modelet_sdk::wasi::http::outgoing_handler::handle;
use modelet_sdk::wasi::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use modelet_sdk::wasi::io::streams::{InputStream, OutputStream};
use modelet_sdk::{Request, handler};

handler!(raw relay);

fn relay(request: IncomingRequest, out: ResponseOutparam) {
    let request = Request::new(request);
    let Some(to) = request.param("to") else { return };
    let _ = pass(request.raw(), &to, out);
}

/// `None`: something was not there, and the client gets no whole answer.
fn pass(request: &IncomingRequest, to: &str, out: ResponseOutparam) -> Option<()> {
    let incoming = request.consume().ok()?;
    let from_client = incoming.stream().ok()?;
    let outgoing = OutgoingRequest::new(Fields::new());
    outgoing.set_method(&Method::Post).ok()?;
    outgoing.set_scheme(Some(&Scheme::Http)).ok()?;
    outgoing.set_authority(Some(to)).ok()?;
    outgoing.set_path_with_query(Some("/echo")).ok()?;
    let body = outgoing.body().ok()?;
    let to_origin = body.write().ok()?;
    let opened = handle(outgoing, None).ok()?;
    let mut is_open = piece(&from_client, &to_origin);
    opened.subscribe().block();
    let answer = opened.get()?.ok()?.ok()?;
    let answered = answer.consume().ok()?;
    let from_origin = answered.stream().ok()?;
    let response = OutgoingResponse::new(Fields::new());
    let back = response.body().ok()?;
    let to_client = back.write().ok()?;
    ResponseOutparam::set(out, Ok(response));
    // One piece each way in turn: the origin sends back what it gets.
    while is_open && piece(&from_origin, &to_client) {
        is_open = piece(&from_client, &to_origin);
    }
    drop(to_origin);
    OutgoingBody::finish(body, None).ok()?;
    while piece(&from_origin, &to_client) {}
    drop(to_client);
    OutgoingBody::finish(back, None).ok()
}

/// Moves what is there, once something is. `false` at the end.
fn piece(from: &InputStream, to: &OutputStream) -> bool {
    from.blocking_read(4096).is_ok_and(|bytes| to.blocking_write_and_flush(&bytes).is_ok())
}
