//! `wasi:http`: which headers exist for a guest, and how its own requests leave, if any do.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::HeaderName;
use http::header::{TE, TRAILER};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use super::log::GuestLog;
use super::outbound::{self, Sent};
use crate::function::Function;
use crate::ports::{Outbound, Place};
use crate::state::GuestState;

/// What wasmtime asks about the headers and requests of one instance.
pub(crate) struct Hooks {
    /// Set while the host hands a request in: `modelet-caller` is ours to give and never the guest's to set.
    pub(crate) admitting: bool,
    /// When the invocation ends.
    pub(crate) deadline: Instant,
    /// Requests that the invocation has sent, or tried to.
    pub(crate) calls: u32,
    port: Arc<dyn Outbound>,
    place: Arc<Place>,
    log: Arc<GuestLog>,
}

impl Hooks {
    pub(crate) fn new(function: &Function, log: &Arc<GuestLog>) -> Self {
        Self {
            admitting: false,
            deadline: Instant::now(),
            calls: 0,
            port: function.outbound(),
            place: function.place().clone(),
            log: log.clone(),
        }
    }
}

/// What the host takes at once of a body that a guest of 0.3 writes; two such pieces may wait for the client.
const CHUNK_BYTES: usize = 64 << 10;

static FORBIDDEN_TO_GUESTS: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(forbidden_to_guests));
static FORBIDDEN_IN_REQUESTS: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(hop_by_hop));

/// The constant would be made and dropped at each look.
static FORBIDDEN_BY_DEFAULT: [HeaderName; 9] = DEFAULT_FORBIDDEN_HEADERS;

fn hop_by_hop(name: &HeaderName) -> bool {
    FORBIDDEN_BY_DEFAULT.contains(name) || *name == TE || *name == TRAILER
}

/// Whether a guest may not set this header: hop-by-hop ones, and those that speak for Modelet.
pub(super) fn forbidden_to_guests(name: &HeaderName) -> bool {
    name.as_str().starts_with("modelet-") || name.as_str() == "server-timing" || hop_by_hop(name)
}

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        if self.admitting { hop_by_hop(name) } else { forbidden_to_guests(name) }
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        if self.admitting { FORBIDDEN_IN_REQUESTS.clone() } else { FORBIDDEN_TO_GUESTS.clone() }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        super::held::PIECE
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        self.calls = self.calls.saturating_add(1);
        let call = outbound::call(&self.place, request, options, self.deadline, self.calls);
        Box::new(outbound::send(self.port.clone(), call, self.log.clone()))
    }
}

/// Links `wasi:http`.
///
/// `http-error-code` is our own: wasmtime 48 looks there for a type that no body ends with, so that a guest could not tell
/// a body over the limit from one that broke off.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker.instance(TYPES)?.func_wrap("http-error-code", error_code)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The versions that wasmtime 48 links; every other 0.2 of a guest finds it by semantic versioning.
pub(super) const TYPES: &str = "wasi:http/types@0.2.12";
pub(super) const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

fn error_code(
    store: StoreContextMut<'_, GuestState>,
    (error,): (Resource<wasmtime::Error>,),
) -> wasmtime::Result<(Option<ErrorCode>,)> {
    Ok((match store.data().table.get(&error)?.downcast_ref::<Error>() {
        Some(Error::HttpRequestBodySize(limit)) => Some(ErrorCode::HttpRequestBodySize(*limit)),
        Some(Error::HttpResponseBodySize(limit)) => Some(ErrorCode::HttpResponseBodySize(*limit)),
        Some(Error::HttpResponseIncomplete) => Some(ErrorCode::HttpResponseIncomplete),
        Some(Error::ConnectionReadTimeout) => Some(ErrorCode::ConnectionReadTimeout),
        Some(_) => Some(ErrorCode::HttpProtocolError),
        None => store.data().table.get(&error)?.downcast_ref::<ErrorCode>().cloned(),
    },))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_speak_for_modelet() {
        for name in ["modelet-invocation", "modelet-x", "server-timing", "connection", "te", "trailer"] {
            assert!(forbidden_to_guests(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["content-type", "content-length", "x-modelet", "set-cookie"] {
            assert!(!forbidden_to_guests(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn the_host_may_hand_in_the_caller() {
        assert!(!hop_by_hop(&HeaderName::from_static("modelet-caller")));
        assert!(hop_by_hop(&HeaderName::from_static("connection")));
    }
}
