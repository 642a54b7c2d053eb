//! `wasi:nn/tensor`, linked by hand: a tensor's bytes are copied once into an aligned buffer, and once out when asked.

use bytes::Bytes;
use modelet_inference::{AlignedBuf, ElementType, Shape, Tensor};
use wasmtime::component::{Linker, Resource, ResourceType, WasmList};
use wasmtime::{AsContext, StoreContextMut};

use super::wit::tensor::TensorType;
use crate::state::GuestState;

/// The resource behind `tensor`.
pub struct GuestTensor {
    pub(super) dims: Vec<u32>,
    pub(super) ty: TensorType,
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

type Store<'a> = StoreContextMut<'a, GuestState>;

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
    store.data_mut().tensors.charge(charged)?;
    let value = fit(&dims, ty, bytes.as_le_slice(store.as_context()));
    Ok((store.data_mut().table.push(GuestTensor { dims, ty, value, charged })?,))
}

/// The one copy in.
fn fit(dims: &[u32], ty: TensorType, bytes: &[u8]) -> Result<Tensor, Unfit> {
    let unfit = |why: String| Unfit { data: Bytes::copy_from_slice(bytes), why };
    let wide: Vec<u64> = dims.iter().copied().map(u64::from).collect();
    let shape = Shape::new(&wide).map_err(|error| unfit(error.to_string()))?;
    let element = element_type(ty);
    let expected = shape.bytes(element).map_err(|error| unfit(error.to_string()))?;
    if expected != bytes.len() {
        let (given, name) = (bytes.len(), element.name());
        return Err(unfit(format!("{given} bytes were given, dimensions {dims:?} of {name} take {expected}")));
    }
    Tensor::new(element, shape, AlignedBuf::copy_of(bytes)).map_err(|error| unfit(error.to_string()))
}

fn dimensions(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Vec<u32>,)> {
    Ok((store.data().table.get(&tensor)?.dims.clone(),))
}

fn ty(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(TensorType,)> {
    Ok((store.data().table.get(&tensor)?.ty,))
}

/// The one copy out: `Bytes` borrows the session's output, wasmtime copies it into the guest.
fn data(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Bytes,)> {
    Ok((match &store.data().table.get(&tensor)?.value {
        Ok(tensor) => Bytes::from_owner(tensor.byte_owner()),
        Err(unfit) => unfit.data.clone(),
    },))
}

fn drop_tensor(mut store: Store<'_>, rep: u32) -> wasmtime::Result<()> {
    let state = store.data_mut();
    let tensor = state.table.delete(Resource::<GuestTensor>::new_own(rep))?;
    state.tensors.release(tensor.charged);
    Ok(())
}

/// At the end of an invocation: what the guest keeps of a joined run's output becomes a copy of its own, so that it does
/// not hold the others' rows for as long as it lives.
///
/// # Errors
/// When the machine has no room for the copy.
pub(super) fn keep(state: &mut GuestState) -> wasmtime::Result<()> {
    let GuestState { table, tensors, .. } = state;
    for tensor in table.iter_mut().filter_map(|entry| entry.downcast_mut::<GuestTensor>()) {
        let Ok(value) = &mut tensor.value else { continue };
        *value = value.clone().into_kept().map_err(|error| wasmtime::format_err!("{error}"))?;
        let held = value.held_bytes() as u64;
        tensors.release(tensor.charged.saturating_sub(held));
        tensor.charged = tensor.charged.min(held);
    }
    Ok(())
}

/// How a `wasi:nn` type is called by models. A model's BOOL takes U8: the bytes are the same.
pub(super) fn element_type(ty: TensorType) -> ElementType {
    match ty {
        TensorType::Fp16 => ElementType::F16,
        TensorType::Fp32 => ElementType::F32,
        TensorType::Fp64 => ElementType::F64,
        TensorType::Bf16 => ElementType::BF16,
        TensorType::U8 => ElementType::U8,
        TensorType::I32 => ElementType::I32,
        TensorType::I64 => ElementType::I64,
    }
}

/// How a model's output type is called in `wasi:nn`, where it has a name. BOOL travels as U8.
pub(super) fn tensor_type(element: ElementType) -> Option<TensorType> {
    Some(match element {
        ElementType::F16 => TensorType::Fp16,
        ElementType::F32 => TensorType::Fp32,
        ElementType::F64 => TensorType::Fp64,
        ElementType::BF16 => TensorType::Bf16,
        ElementType::U8 | ElementType::Bool => TensorType::U8,
        ElementType::I32 => TensorType::I32,
        ElementType::I64 => TensorType::I64,
        _ => return None,
    })
}
