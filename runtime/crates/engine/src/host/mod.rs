//! What a guest can call: standard interfaces from wasmtime's crates, `wasi:nn` and `wasi:keyvalue` of our own.

mod callers;
pub(crate) mod clocks;
mod config;
mod fields;
pub(crate) mod held;
pub(crate) mod http;
mod keyvalue;
pub(crate) mod log;
mod logging;
pub(crate) mod nn;
mod outbound;
mod outgoing;
pub(crate) mod pipe;

use wasmtime::component::Linker;

use crate::state::GuestState;
use crate::world::World;

/// Links everything that a guest may import. The rest is refused at deploy by name, see [`crate::inspect`].
/// A guest of 0.3 has the interfaces of 0.2 as well: the std of its language imports them.
pub(crate) fn link(linker: &mut Linker<GuestState>, world: World) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    http::link(linker)?;
    if world == World::Service {
        wasmtime_wasi::p3::add_to_linker(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
    }
    held::link(linker)?;
    outgoing::link(linker)?;
    config::link(linker)?;
    keyvalue::link(linker)?;
    logging::link(linker)?;
    nn::link(linker)?;
    if world == World::Service { callers::link(linker) } else { Ok(()) }
}
