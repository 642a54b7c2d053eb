//! `wasi:config`: the values under `[config]` of the manifest, and nothing else. The only way of a secret to a guest.

use wasmtime::component::{HasSelf, Linker};

use crate::state::GuestState;

use bindings::wasi::config::store::{Error, Host};

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from the WIT")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/wasi-config@0.2.0-rc.1",
        world: "wasi:config/imports",
        require_store_data_send: true,
    });
}

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    bindings::wasi::config::store::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)
}

impl Host for GuestState {
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        Ok(self.config.get(&key).map(|value| value.reveal().to_owned()))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.config.iter().map(|(key, value)| (key.clone(), value.reveal().to_owned())).collect())
    }
}
