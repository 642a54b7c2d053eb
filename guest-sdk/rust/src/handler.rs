//! The door between the component's export and the author's function.

use crate::wasi::http::types::{IncomingRequest, ResponseOutparam};
use crate::{Error, Request, Response};

/// Makes a function the one that answers the component's requests. Use it once, at the top of the crate.
///
/// `handler!(handle)` takes a `fn(Request) -> Result<Response, E>` where `E` is [`Error`](crate::Error) or anything that
/// converts to it. `handler!(raw handle)` takes a `fn(IncomingRequest, ResponseOutparam)` of the raw bindings
/// ([`wasi::http::types`](crate::wasi::http::types)), for a function that streams.
#[macro_export]
#[rustfmt::skip] // It would pull the macro calls below out of their indentation.
macro_rules! handler {
    (raw $handle:path) => {
        #[allow(
            unsafe_code,
            dead_code,
            missing_docs,
            unreachable_pub,
            clippy::allow_attributes_without_reason,
            reason = "the component's exports, generated from wit/"
        )]
        const _: () = {
            struct Component;
            impl $crate::bindings::exports::wasi::http::incoming_handler::Guest for Component {
                fn handle(
                    request: $crate::wasi::http::types::IncomingRequest,
                    out: $crate::wasi::http::types::ResponseOutparam,
                ) {
                    $handle(request, out);
                }
            }
            // Elsewhere it is only checked: a native linker does not take the names of a component's exports.
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
    ($handle:path) => {
        const _: () = {
            fn serve(
                request: $crate::wasi::http::types::IncomingRequest,
                out: $crate::wasi::http::types::ResponseOutparam,
            ) {
                $crate::serve(request, out, $handle);
            }
            $crate::handler!(raw serve);
        };
    };
}

/// Answers one request by the author's function. What [`handler!`] expands to calls it.
#[doc(hidden)]
pub fn serve<E: Into<Error>>(
    request: IncomingRequest,
    out: ResponseOutparam,
    handle: fn(Request) -> Result<Response, E>,
) {
    let response = handle(Request::new(request)).unwrap_or_else(|error| error.into().into_response());
    response.send(out);
}
