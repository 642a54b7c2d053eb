//! `modelet:nn/invocation`: what a guest may know of the request that it answers.

use std::time::Instant;

use wasmtime::component::Linker;

use super::tensor::Store;
use crate::shared::whose;
use crate::state::GuestState;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance("modelet:nn/invocation@0.1.0")?.func_wrap("deadline-left", deadline_left)
}

/// Every invocation has a deadline here, so there is always an answer.
fn deadline_left(mut store: Store<'_>, (): ()) -> wasmtime::Result<(Option<u64>,)> {
    whose(&mut store)?;
    let left = store.data().deadline.saturating_duration_since(Instant::now());
    Ok((Some(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)),))
}
