//! `wasi:logging`: into the invocation's log, beside what the guest writes to stderr and within the same budget.

use wasmtime::StoreContextMut;
use wasmtime::component::{HasSelf, Linker};

use crate::ports::Stream;
use crate::shared::whose;
use crate::state::GuestState;

use bindings::wasi::logging::logging::{Host, Level};

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from the WIT")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/wasi-logging@0.1.0-draft",
        world: "wasi:logging/imports",
        require_store_data_send: true,
    });
}

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    bindings::wasi::logging::logging::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)
}

/// The same for instances that have several requests at a time.
pub(super) fn link_for_several(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    type Line = (Level, String, String);
    linker.instance("wasi:logging/logging@0.1.0-draft")?.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, GuestState>, (level, context, message): Line| {
            whose(&mut store)?;
            store.data_mut().log(level, context, message);
            Ok(())
        },
    )
}

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) {
        let level = match level {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        };
        let context = if context.is_empty() { context } else { format!(" [{context}]") };
        self.log.write(Stream::Err, format!("{level}{context} {message}\n").as_bytes());
    }
}
