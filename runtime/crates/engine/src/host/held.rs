//! What the host holds of a guest's bytes outside of its memories and tensors: headers, bodies that wait to be taken, parts of
//! requests, lines without an end. It is on the instance's account of memory.
//!
//! Bodies and what comes in are counted as full as they may become, when they are made; other bytes as they come. Nothing is taken
//! off when something goes: where the count comes to the limit, all that is there is counted anew. So a call costs an addition.

use std::any::Any;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HeaderError, HostFields as _, Method};
use wasmtime_wasi_http::p2::body::{HostFutureTrailers, HostIncomingBody};
use wasmtime_wasi_http::p2::types::{
    HostFutureIncomingResponse, HostIncomingRequest, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
};
use wasmtime_wasi_http::p2::{HeaderResult, HttpResult};
use wasmtime_wasi_http::{FieldMap, RequestOptions, WasiHttpView};

use super::fields;
use super::http::{HANDLER, TYPES};
use super::pipe::OutgoingBody;
use crate::limiter::OverLimit;
use crate::shared::whose;
use crate::state::GuestState;

/// What a guest writes into a body at a time, in bytes.
pub(crate) const PIECE: usize = 64 << 10;

/// What a body on its way out holds: a piece that waits, and the one behind it.
pub(super) const BODY: u64 = 2 * PIECE as u64;

/// What a body or an answer on its way in holds: what was read from its connection at a time.
const INCOMING: u64 = 64 << 10;

/// What a request on its way in holds: its headers, and what there is of its body.
pub(crate) const REQUEST: u64 = 2 * INCOMING;

/// What a header takes beside its letters.
const FIELD: u64 = 64;

type Store<'a> = StoreContextMut<'a, GuestState>;

impl GuestState {
    /// The host is about to hold more of the guest's bytes.
    ///
    /// # Errors
    /// When the instance has not so many left.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), OverLimit> {
        if self.limiter.hold(bytes) || (self.count_held() && self.limiter.hold(bytes)) {
            return Ok(());
        }
        Err(self.limiter.over_memory())
    }

    /// Counts anew what the host holds. Always true, to be asked between two attempts.
    pub(crate) fn count_held(&mut self) -> bool {
        let held = self.table.iter_mut().map(|entry| weight(entry)).fold(self.log.waiting(), u64::saturating_add);
        self.limiter.set_held(held);
        true
    }
}

/// What an entry of the table holds. A body and the message that it is of are counted apart until the message is sent.
fn weight(entry: &mut dyn Any) -> u64 {
    if let Some(fields) = entry.downcast_ref::<FieldMap>() {
        return headers(fields);
    }
    if let Some(response) = entry.downcast_ref::<HostOutgoingResponse>() {
        return headers(&response.headers).saturating_add(response.body.as_ref().map_or(0, |_| BODY));
    }
    if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        let texts = [&request.authority, &request.path_with_query];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>() as u64;
        let body = request.body.as_ref().map_or(0, |_| BODY);
        return headers(&request.headers).saturating_add(texts + method(&request.method)).saturating_add(body);
    }
    if entry.is::<OutgoingBody>() {
        return BODY;
    }
    if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        return headers(&response.headers).saturating_add(INCOMING);
    }
    if entry.is::<HostIncomingRequest>() {
        return REQUEST;
    }
    let comes_in = entry.is::<HostFutureIncomingResponse>()
        || entry.is::<HostIncomingBody>()
        || entry.is::<HostFutureTrailers>()
        || entry.is::<DynInputStream>();
    if comes_in { INCOMING } else { 0 }
}

fn headers(fields: &FieldMap) -> u64 {
    fields.iter().map(|(name, value)| field(name.as_str().len(), value.len())).sum()
}

pub(super) fn field(name: usize, value: usize) -> u64 {
    name as u64 + value as u64 + FIELD
}

fn method(method: &Method) -> u64 {
    match method {
        Method::Other(name) => name.len() as u64,
        _ => 0,
    }
}

/// Puts the count before each call of `wasi:http` by which bytes stay with the host. The calls themselves are wasmtime's.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    fields_of(&mut linker.instance(TYPES)?)?;
    messages(&mut linker.instance(TYPES)?)?;
    linker.instance(HANDLER)?.func_wrap("handle", handle)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn fields_of(types: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    types.func_wrap("[static]fields.from-list", fields::from_list)?;
    type Append = (Resource<FieldMap>, String, Vec<u8>);
    types.func_wrap("[method]fields.append", |mut store: Store<'_>, (fields, name, value): Append| {
        let state = store.data_mut();
        state.hold(field(name.len(), value.len()))?;
        checked(state.http().append(fields, name, value))
    })?;
    type Set = (Resource<FieldMap>, String, Vec<Vec<u8>>);
    types.func_wrap("[method]fields.set", |mut store: Store<'_>, (fields, name, values): Set| {
        let state = store.data_mut();
        state.hold(values.iter().map(|value| field(name.len(), value.len())).sum())?;
        checked(state.http().set(fields, name, values))
    })
}

fn messages(types: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    type WithMethod = (Resource<HostOutgoingRequest>, Method);
    types.func_wrap("[method]outgoing-request.set-method", |mut store: Store<'_>, (request, name): WithMethod| {
        let state = store.data_mut();
        state.hold(method(&name))?;
        Ok((types::HostOutgoingRequest::set_method(&mut state.http(), request, name)?,))
    })?;
    type WithText = (Resource<HostOutgoingRequest>, Option<String>);
    types.func_wrap("[method]outgoing-request.set-authority", |mut store: Store<'_>, (request, text): WithText| {
        let state = store.data_mut();
        state.hold(text.as_ref().map_or(0, String::len) as u64)?;
        Ok((types::HostOutgoingRequest::set_authority(&mut state.http(), request, text)?,))
    })?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, text): WithText| {
            let state = store.data_mut();
            state.hold(text.as_ref().map_or(0, String::len) as u64)?;
            Ok((types::HostOutgoingRequest::set_path_with_query(&mut state.http(), request, text)?,))
        },
    )
}

type Sending = (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>);
type Sent = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

fn handle(mut store: Store<'_>, (request, options): Sending) -> wasmtime::Result<(Sent,)> {
    whose(&mut store)?;
    let state = store.data_mut();
    state.hold(INCOMING)?;
    let given = options.as_ref().map(Resource::rep);
    let sent: HttpResult<_> = state.http().handle(request, options);
    // The guest has given them away. wasmtime 48 reads them and leaves them in the table, until no key is free in an instance that
    // sends often.
    if let Some(rep) = given {
        state.table.delete(Resource::<RequestOptions>::new_own(rep))?;
    }
    Ok((match sent {
        Ok(answer) => Ok(answer),
        Err(error) => Err(error.downcast()?),
    },))
}

/// The error that a guest is told, or the trap.
pub(super) fn checked<T>(result: HeaderResult<T>) -> wasmtime::Result<(Result<T, HeaderError>,)> {
    Ok((match result {
        Ok(value) => Ok(value),
        Err(error) => Err(error.downcast()?),
    },))
}
