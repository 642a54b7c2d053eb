//! `wasi:http`: which headers exist for a guest, and that nothing leaves.

use std::sync::{Arc, LazyLock};

use http::HeaderName;
use http::header::{TE, TRAILER};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

/// What wasmtime asks about the headers and requests of one instance.
#[derive(Default)]
pub(crate) struct Hooks {
    /// Set while the host hands a request in: `modelet-caller` is ours to give and never the guest's to set.
    pub(crate) admitting: bool,
}

static FORBIDDEN_TO_GUESTS: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(forbidden_to_guests));
static FORBIDDEN_IN_REQUESTS: LazyLock<ForbiddenHeaderFilter> = LazyLock::new(|| Arc::new(hop_by_hop));

fn hop_by_hop(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || *name == TE || *name == TRAILER
}

/// Whether a guest may not set this header: hop-by-hop ones, and those that speak for Modelet.
fn forbidden_to_guests(name: &HeaderName) -> bool {
    name.as_str().starts_with("modelet-") || name.as_str() == "server-timing" || hop_by_hop(name)
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        if self.admitting { hop_by_hop(name) } else { forbidden_to_guests(name) }
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        if self.admitting { FORBIDDEN_IN_REQUESTS.clone() } else { FORBIDDEN_TO_GUESTS.clone() }
    }

    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_speak_for_modelet() {
        for name in ["modelet-invocation", "modelet-x", "server-timing", "connection", "te", "trailer"] {
            assert!(Hooks::default().is_forbidden_header(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["content-type", "content-length", "x-modelet", "set-cookie"] {
            assert!(!Hooks::default().is_forbidden_header(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn the_host_may_hand_in_the_caller() {
        let mut hooks = Hooks { admitting: true };
        assert!(!hooks.is_forbidden_header(&HeaderName::from_static("modelet-caller")));
        assert!(hooks.is_forbidden_header(&HeaderName::from_static("connection")));
    }
}
