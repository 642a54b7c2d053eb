//! `wasi:nn@0.2.0-rc-2024-10-28`, implemented here: async, all of its types, nothing a guest passes can panic. And
//! `modelet:nn`, what it has no words for, as functions over the same resources.
//!
//! The interfaces `graph`, `inference` and `errors` are generated from the WIT; `tensor` is linked by hand in [`tensor`],
//! because generated code would copy a tensor's bytes twice each way, and so is all of `modelet:nn`: tensors of every
//! element type in [`typed`], the description of models in [`describe`], `compute` with inputs that are lent in
//! [`compute`]. Upstream's host blocks the executor's thread, shares one session behind a mutex and returns only `f32`.

#![expect(unreachable_pub, reason = "the generated code re-exports the resources behind its handles")]

mod compute;
mod describe;
mod element;
mod error;
mod graph;
mod invocation;
mod tensor;
mod typed;

use wasmtime::component::{HasSelf, Linker};

use crate::shared::whose;
use crate::state::GuestState;

use bindings::modelet::nn as ours;
use bindings::wasi::nn as wit;

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from the WIT")]
mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28", "../../../wit/modelet-nn"],
        world: "modelet:nn/imports",
        imports: {
            "wasi:nn/inference.[method]graph-execution-context.compute": async | trappable,
            "wasi:nn/graph.load-by-name": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:nn/tensor.tensor": super::tensor::GuestTensor,
            "wasi:nn/graph.graph": super::graph::GuestGraph,
            "wasi:nn/inference.graph-execution-context": super::graph::GuestContext,
            "wasi:nn/errors.error": super::error::GuestError,
        },
        require_store_data_send: true,
    });
}

/// Links the four interfaces of `wasi:nn` and the three of `modelet:nn`.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wit::errors::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)?;
    wit::graph::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)?;
    wit::inference::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)?;
    tensor::link(linker)?;
    typed::link(linker)?;
    let mut models = linker.instance("modelet:nn/models@0.1.0")?;
    describe::link(&mut models)?;
    compute::link(&mut models)?;
    invocation::link(linker)
}

/// Links anew what depends on whose call it is, for instances that have several requests at a time.
pub(crate) fn link_for_several(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance("wasi:nn/graph@0.2.0-rc-2024-10-28")?.func_wrap_async(
        "load-by-name",
        |mut store: tensor::Store<'_>, (name,): (String,)| {
            Box::new(async move {
                whose(&mut store)?;
                Ok((wit::graph::Host::load_by_name(store.data_mut(), name).await?,))
            })
        },
    )?;
    linker.instance("wasi:nn/inference@0.2.0-rc-2024-10-28")?.func_wrap_async(
        "[method]graph-execution-context.compute",
        |mut store: tensor::Store<'_>, (context, inputs): (_, Vec<compute::Named>)| {
            Box::new(async move {
                whose(&mut store)?;
                Ok((wit::inference::HostGraphExecutionContext::compute(store.data_mut(), context, inputs).await?,))
            })
        },
    )
}

/// To be called when an invocation ends and its instance stays: see [`tensor::keep`].
pub(crate) fn keep(state: &mut GuestState) -> wasmtime::Result<()> {
    tensor::keep(state)
}
