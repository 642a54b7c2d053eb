//! What the test guests share. Each guest is one file beside this one and shows one behaviour of a component; its first
//! lines say which, what its query takes and what it answers. A guest is built for `wasm32-wasip2` as
//! `examples/NAME.wasm`; none runs on the host. Begin at `hello.rs`, or `nn.rs` for models.

pub mod call;
pub mod frame;
pub mod inflate;
pub mod service;
pub mod typed;

use modelet_sdk::wasi::clocks::monotonic_clock;
use modelet_sdk::{Error, Request};

/// A whole number of the query, or `default` if it is not there.
///
/// # Errors
/// 400 if it is no number.
pub fn number(request: &Request, name: &str, default: u64) -> Result<u64, Error> {
    let Some(text) = request.param(name) else { return Ok(default) };
    text.parse().map_err(|_| Error::bad_request(format!("`{name}` is no whole number: {text:?}")))
}

/// [`number`], as an index or a size in this component's memory.
///
/// # Errors
/// 400 if it is no number, or over the address space.
pub fn size(request: &Request, name: &str, default: u64) -> Result<usize, Error> {
    let number = number(request, name, default)?;
    usize::try_from(number).map_err(|_| Error::bad_request(format!("`{name}` is over the address space: {number}")))
}

/// Waits in the host for this many milliseconds.
pub fn pause(ms: u64) {
    monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
}
