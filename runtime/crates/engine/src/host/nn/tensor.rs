//! `wasi:nn/tensor`, linked by hand: a tensor's bytes are copied once into an aligned buffer, and once out when asked.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use modelet_inference::{AlignedBuf, ElementType, Shape, Tensor};
use wasmtime::component::{Linker, Resource, ResourceType, WasmList};
use wasmtime::{AsContext, StoreContextMut};

use super::element::{element_type, tensor_type};
use super::wit::tensor::TensorType;
use crate::state::GuestState;

/// The resource behind `tensor`.
pub struct GuestTensor {
    /// None for a scalar, which `wasi:nn` calls `[1]`.
    pub(super) dims: Vec<u32>,
    pub(super) element: ElementType,
    /// The tensor, or why its bytes do not fit its shape: the constructor has no result to say so, `compute` does.
    pub(super) value: Result<Tensor, Unfit>,
    /// Bytes on the instance's account.
    pub(super) charged: u64,
}

/// Bytes that do not fit their shape, kept so that `data` gives back what was given.
pub struct Unfit {
    pub(super) data: Bytes,
    pub(super) why: String,
}

/// What `wasi:nn` has no answer to, where any would be a wrong one: it ends the guest.
#[derive(Debug, thiserror::Error)]
#[error("a tensor of {element} has no {what} in wasi:nn; ask modelet:nn/tensors for its `{instead}`")]
struct NoWord {
    element: ElementType,
    what: &'static str,
    instead: &'static str,
}

pub(super) type Store<'a> = StoreContextMut<'a, GuestState>;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:nn/tensor@0.2.0-rc-2024-10-28")?;
    instance.resource("tensor", ResourceType::host::<GuestTensor>(), drop_tensor)?;
    instance.func_wrap("[constructor]tensor", new_tensor)?;
    instance.func_wrap("[method]tensor.dimensions", dimensions)?;
    instance.func_wrap("[method]tensor.ty", ty)?;
    instance.func_wrap("[method]tensor.data", data)
}

fn new_tensor(
    mut store: Store<'_>,
    (dims, ty, bytes): (Vec<u32>, TensorType, WasmList<u8>),
) -> wasmtime::Result<(Resource<GuestTensor>,)> {
    let charged = bytes.len() as u64;
    let state = store.data_mut();
    state.charge(charged)?;
    state.counters.tensors_in.fetch_add(1, Relaxed);
    let element = element_type(ty);
    let bytes = bytes.as_le_slice(store.as_context());
    let value = fit(&dims, element, bytes).map_err(|why| Unfit { data: Bytes::copy_from_slice(bytes), why });
    Ok((store.data_mut().table.push(GuestTensor { dims, element, value, charged })?,))
}

/// The one copy in; or why the bytes do not fit.
pub(super) fn fit(dims: &[u32], element: ElementType, bytes: &[u8]) -> Result<Tensor, String> {
    let shape = shape(dims)?;
    let expected = shape.bytes(element).map_err(|error| error.to_string())?;
    if expected != bytes.len() {
        let (given, name) = (bytes.len(), element.name());
        return Err(format!("{given} bytes were given, dimensions {dims:?} of {name} take {expected}"));
    }
    Tensor::new(element, shape, AlignedBuf::copy_of(bytes)).map_err(|error| error.to_string())
}

/// A guest's dimensions, checked.
pub(super) fn shape(dims: &[u32]) -> Result<Shape, String> {
    let wide: Vec<u64> = dims.iter().copied().map(u64::from).collect();
    Shape::new(&wide).map_err(|error| error.to_string())
}

fn dimensions(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Vec<u32>,)> {
    let tensor = store.data().table.get(&tensor)?;
    let is_scalar = tensor.dims.is_empty() && tensor.value.is_ok();
    Ok((if is_scalar { vec![1] } else { tensor.dims.clone() },))
}

fn ty(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(TensorType,)> {
    let element = store.data().table.get(&tensor)?.element;
    let no_word = NoWord { element, what: "type", instead: "element-type-of" };
    Ok((tensor_type(element).ok_or(no_word)?,))
}

/// The one copy out: `Bytes` borrows the session's output, wasmtime copies it into the guest.
fn data(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Bytes,)> {
    let state = store.data();
    let GuestTensor { element, value, .. } = state.table.get(&tensor)?;
    if *element == ElementType::String {
        return Err(NoWord { element: *element, what: "data", instead: "strings-of" }.into());
    }
    state.counters.tensors_out.fetch_add(1, Relaxed);
    Ok((match value {
        Ok(tensor) => {
            // From a device it comes here first.
            tensor.host_bytes().map_err(|error| wasmtime::format_err!("{error}"))?;
            Bytes::from_owner(tensor.byte_owner())
        }
        Err(unfit) => unfit.data.clone(),
    },))
}

fn drop_tensor(mut store: Store<'_>, rep: u32) -> wasmtime::Result<()> {
    let state = store.data_mut();
    let tensor = state.table.delete(Resource::<GuestTensor>::new_own(rep))?;
    state.limiter.release(tensor.charged);
    Ok(())
}

/// At the end of an invocation: what the guest keeps of a joined run's output becomes a copy of its own, so that it does
/// not hold the others' rows for as long as it lives.
///
/// # Errors
/// When the machine has no room for the copy.
pub(super) fn keep(state: &mut GuestState) -> wasmtime::Result<()> {
    let GuestState { table, limiter, .. } = state;
    for tensor in table.iter_mut().filter_map(|entry| entry.downcast_mut::<GuestTensor>()) {
        let Ok(value) = &mut tensor.value else { continue };
        *value = value.clone().into_kept().map_err(|error| wasmtime::format_err!("{error}"))?;
        let held = value.held_bytes() as u64;
        limiter.release(tensor.charged.saturating_sub(held));
        tensor.charged = tensor.charged.min(held);
    }
    Ok(())
}
