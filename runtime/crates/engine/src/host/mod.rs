//! What a guest can call: standard interfaces from wasmtime's crates, `wasi:nn` and `wasi:keyvalue` of our own.

pub(crate) mod clocks;
mod config;
pub(crate) mod held;
pub(crate) mod http;
mod keyvalue;
pub(crate) mod log;
mod logging;
pub(crate) mod nn;
mod outbound;

use wasmtime::component::Linker;

use crate::state::GuestState;

/// Links everything that a guest may import. The rest is refused at deploy by name, see [`crate::inspect`].
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    http::link(linker)?;
    held::link(linker)?;
    config::link(linker)?;
    keyvalue::link(linker)?;
    logging::link(linker)?;
    nn::link(linker)
}
