//! What the guests of `wasi:http` 0.3 share: the bindings of the world `modelet:service/handler`, and the few lines that each of them
//! would begin with. They are `async_*.rs`; begin at `async_hello.rs`.

use bindings::wasi::clocks::monotonic_clock;
use bindings::wasi::http::types::{ErrorCode, Fields, Request, Response, Trailers};
use wit_bindgen::{FutureReader, FutureWriter, StreamWriter};

/// What wit-bindgen makes of the world.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::allow_attributes_without_reason,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated from wit/, which documents it"
)]
pub mod bindings {
    wit_bindgen::generate!({
        world: "modelet:service/handler",
        path: [
            "../../wit/deps/wasi-clocks@0.3.0",
            "../../wit/deps/wasi-filesystem@0.3.0",
            "../../wit/deps/wasi-sockets@0.3.0",
            "../../wit/deps/wasi-random@0.3.0",
            "../../wit/deps/wasi-cli@0.3.0",
            "../../wit/deps/wasi-http@0.3.0",
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/modelet-nn",
            "../../wit/modelet-service",
        ],
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_service",
        default_bindings_module: "modelet_test_guests::service::bindings",
    });
}

/// The end of a body as its writer tells it.
pub type End = Result<Option<Trailers>, ErrorCode>;

/// A body that is being written.
#[allow(missing_debug_implementations, reason = "handles have nothing to show")]
pub struct Body {
    /// Its bytes.
    pub bytes: StreamWriter<u8>,
    /// Its end, after the bytes.
    pub end: FutureWriter<End>,
    /// Whether it was sent.
    pub sent: FutureReader<Result<(), ErrorCode>>,
}

impl Body {
    /// Writes the rest of a body that has no trailers.
    pub async fn finish(mut self, bytes: impl Into<Vec<u8>>) {
        self.bytes.write_all(bytes.into()).await;
        drop(self.bytes);
        let _ = self.end.write(Ok(None)).await;
    }
}

/// An answer and its body, which is to be written by a task that outlives the handler.
#[must_use]
pub fn streaming(fields: Fields) -> (Response, Body) {
    let (bytes, contents) = bindings::wit_stream::new();
    let (end, trailers) = bindings::wit_future::new(|| Ok(None));
    let (response, sent) = Response::new(fields, Some(contents), trailers);
    (response, Body { bytes, end, sent })
}

/// An answer of text.
#[must_use]
pub fn text(text: impl Into<String>) -> Response {
    let (response, body) = streaming(Fields::new());
    let text = text.into();
    wit_bindgen::spawn_local(body.finish(text));
    response
}

/// A parameter of the query, as it is written there.
#[must_use]
pub fn param(request: &Request, name: &str) -> Option<String> {
    let path = request.get_path_with_query()?;
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

/// A whole number of the query, or `default` if there is none.
#[must_use]
pub fn number(request: &Request, name: &str, default: u64) -> u64 {
    param(request, name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Waits in the host, while other tasks go on.
pub async fn pause(ms: u64) {
    monotonic_clock::wait_for(ms.saturating_mul(1_000_000)).await;
}

/// The request's body and how it ends; nothing is said of how it was taken.
#[must_use]
pub fn body_of(request: Request) -> (wit_bindgen::StreamReader<u8>, FutureReader<End>) {
    let (_, taken) = bindings::wit_future::new(|| Ok(()));
    Request::consume_body(request, taken)
}

/// Makes an `async fn(Request) -> Result<Response, ErrorCode>` the one that answers the component's requests.
#[macro_export]
macro_rules! service {
    ($handle:path) => {
        #[allow(
            unsafe_code,
            dead_code,
            missing_docs,
            unreachable_pub,
            clippy::allow_attributes_without_reason,
            reason = "the component's exports, generated from wit/"
        )]
        const _: () = {
            use $crate::service::bindings;
            struct Component;
            impl bindings::exports::wasi::http::handler::Guest for Component {
                async fn handle(
                    request: bindings::wasi::http::types::Request,
                ) -> Result<bindings::wasi::http::types::Response, bindings::wasi::http::types::ErrorCode> {
                    $handle(request).await
                }
            }
            // Elsewhere it is only checked: a native linker does not take the names of a component's exports.
            #[cfg(target_arch = "wasm32")]
    bindings::export_service!(Component with_types_in bindings);
        };
    };
}
