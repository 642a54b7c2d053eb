//! The host functions of a body on its way out: where there is one, its stream, its end. The rest of the message is wasmtime's.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTableError, ResourceType};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{FieldMap, WasiBody};

use super::held::BODY;
use super::http::TYPES;
use super::pipe::{Kind, OutgoingBody};
use crate::state::GuestState;

/// The version that wasmtime 48 links.
const STREAMS: &str = "wasi:io/streams@0.2.12";

type Store<'a> = StoreContextMut<'a, GuestState>;
/// A body, unless it was given out already or its length is none.
type MaybeBody = Result<Resource<OutgoingBody>, ()>;

/// Puts our own in the place of wasmtime's.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.resource("outgoing-body", ResourceType::host::<OutgoingBody>(), give_up)?;
    types.func_wrap("[method]outgoing-response.body", |mut store: Store<'_>, (response,): (Resource<_>,)| {
        Ok((response_body(store.data_mut(), &response)?,))
    })?;
    types.func_wrap("[method]outgoing-request.body", |mut store: Store<'_>, (request,): (Resource<_>,)| {
        Ok((request_body(store.data_mut(), &request)?,))
    })?;
    types.func_wrap("[method]outgoing-body.write", |mut store: Store<'_>, (body,): (Resource<_>,)| {
        Ok((open(store.data_mut(), &body)?,))
    })?;
    type Finish = (Resource<OutgoingBody>, Option<Resource<FieldMap>>);
    types.func_wrap("[static]outgoing-body.finish", |mut store: Store<'_>, (body, trailers): Finish| {
        Ok((finish(store.data_mut(), body, trailers)?,))
    })?;
    // wasmtime lets a stream clean up asynchronously, which those of files and sockets need; guests have neither.
    linker.instance(STREAMS)?.resource("output-stream", ResourceType::host::<DynOutputStream>(), close)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn response_body(state: &mut GuestState, response: &Resource<HostOutgoingResponse>) -> wasmtime::Result<MaybeBody> {
    state.hold(BODY)?;
    let HostOutgoingResponse { headers, body, .. } = state.table.get_mut(response)?;
    let made = make(Kind::Response, headers, body);
    push(state, made)
}

fn request_body(state: &mut GuestState, request: &Resource<HostOutgoingRequest>) -> wasmtime::Result<MaybeBody> {
    state.hold(BODY)?;
    let HostOutgoingRequest { headers, body, .. } = state.table.get_mut(request)?;
    let made = make(Kind::Request, headers, body);
    push(state, made)
}

fn make(kind: Kind, headers: &HeaderMap, place: &mut Option<WasiBody>) -> Option<OutgoingBody> {
    if place.is_some() {
        return None;
    }
    let (body, sent) = OutgoingBody::new(kind, announced(headers).ok()?);
    *place = Some(sent.boxed_unsync());
    Some(body)
}

fn push(state: &mut GuestState, body: Option<OutgoingBody>) -> wasmtime::Result<MaybeBody> {
    Ok(match body {
        Some(body) => Ok(state.table.push(body)?),
        None => Err(()),
    })
}

/// The length that the message's headers announce, in bytes.
///
/// # Errors
/// When it is no number.
fn announced(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let text = value.to_str().map_err(drop)?;
    // `+5` is a number to Rust and none to HTTP.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map(Some).map_err(drop)
}

fn open(
    state: &mut GuestState,
    body: &Resource<OutgoingBody>,
) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
    Ok(match state.table.get_mut(body)?.open() {
        Some(stream) => Ok(state.table.push(stream)?),
        None => Err(()),
    })
}

fn finish(
    state: &mut GuestState,
    body: Resource<OutgoingBody>,
    trailers: Option<Resource<FieldMap>>,
) -> wasmtime::Result<Result<(), ErrorCode>> {
    let body = remove(state, body)?;
    let trailers = trailers.map(|trailers| state.table.delete(trailers)).transpose()?;
    Ok(body.finish(trailers.map(HeaderMap::from)))
}

/// The guest drops a body that it has not finished.
fn give_up(mut store: Store<'_>, body: u32) -> wasmtime::Result<()> {
    drop(remove(store.data_mut(), Resource::new_own(body))?);
    Ok(())
}

/// # Errors
/// When its stream is still there: it is the body's child, and goes before it.
fn remove(state: &mut GuestState, body: Resource<OutgoingBody>) -> Result<OutgoingBody, ResourceTableError> {
    if state.table.get(&body)?.is_open() {
        return Err(ResourceTableError::HasChildren);
    }
    state.table.delete(body)
}

fn close(mut store: Store<'_>, stream: u32) -> wasmtime::Result<()> {
    store.data_mut().table.delete(Resource::<DynOutputStream>::new_own(stream))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_digits_announce_a_length() {
        let of =
            |value: &'static str| announced(&HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static(value))]));
        assert_eq!((of("0"), of("12")), (Ok(Some(0)), Ok(Some(12))));
        for value in ["", "+5", "-5", " 5", "five", "99999999999999999999"] {
            assert_eq!(of(value), Err(()), "{value}");
        }
        assert_eq!(announced(&HeaderMap::new()), Ok(None));
    }
}
