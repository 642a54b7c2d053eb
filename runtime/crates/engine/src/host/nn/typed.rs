//! `modelet:nn/tensors`: tensors of every element type, strings among them, linked by hand like `wasi:nn/tensor`: each
//! byte is copied once into the host and once out of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use modelet_inference::{Shape, Tensor};
use wasmtime::AsContext;
use wasmtime::component::{Linker, Resource, WasmList, WasmStr};

use super::element::{named, of_name};
use super::error::GuestError;
use super::ours::tensors::ElementType as Named;
use super::tensor::{GuestTensor, Store, fit, shape};
use super::wit::errors::ErrorCode;
use crate::state::GuestState;

/// More dimensions are refused before they are copied; the shape itself refuses them too.
const RANK_MAX: usize = 64;

type Given = Result<Resource<GuestTensor>, Resource<GuestError>>;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("modelet:nn/tensors@0.1.0")?;
    instance.func_wrap("tensor-of", tensor_of)?;
    instance.func_wrap("tensor-of-strings", tensor_of_strings)?;
    instance.func_wrap("element-type-of", element_type_of)?;
    instance.func_wrap("dimensions-of", dimensions_of)?;
    instance.func_wrap("strings-of", strings_of)?;
    instance.func_wrap("reshaped", reshaped)
}

fn tensor_of(
    mut store: Store<'_>,
    (dims, element, bytes): (WasmList<u32>, Named, WasmList<u8>),
) -> wasmtime::Result<(Given,)> {
    let dims = dimensions(&mut store, &dims)?;
    let charged = bytes.len() as u64;
    let state = store.data_mut();
    if let Err(over) = state.charge(charged) {
        return refused(state, ErrorCode::TooLarge, over.to_string());
    }
    let element = of_name(element);
    let made = fit(&dims, element, bytes.as_le_slice(store.as_context()));
    let state = store.data_mut();
    state.counters.tensors_in.fetch_add(u64::from(made.is_ok()), Relaxed);
    keep(state, dims, made, charged)
}

fn tensor_of_strings(
    mut store: Store<'_>,
    (dims, texts): (WasmList<u32>, WasmList<WasmStr>),
) -> wasmtime::Result<(Given,)> {
    let dims = dimensions(&mut store, &dims)?;
    let shape = match shape(&dims).and_then(|shape| as_many(shape, texts.len())) {
        Ok(shape) => shape,
        Err(why) => return refused(store.data_mut(), ErrorCode::InvalidArgument, why),
    };
    // Where the strings are: no more than wasmtime lets one call bring out, and nothing of them is copied yet.
    let texts = texts.iter(&mut store)?.collect::<wasmtime::Result<Vec<WasmStr>>>()?;
    let mut strings = Vec::with_capacity(texts.len());
    let mut charged = 0;
    for text in texts {
        let text = text.to_str(store.as_context())?;
        let bytes = Tensor::string_bytes(&text) as u64;
        // The one copy in. It is charged right after, so that the account is over by one string at most.
        strings.push(text.into_owned());
        let state = store.data_mut();
        if let Err(over) = state.charge(bytes) {
            state.limiter.release(charged);
            return refused(state, ErrorCode::TooLarge, over.to_string());
        }
        charged += bytes;
    }
    let state = store.data_mut();
    state.counters.tensors_in.fetch_add(1, Relaxed);
    keep(state, dims, Tensor::strings(shape, strings).map_err(|error| error.to_string()), charged)
}

fn element_type_of(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Named,)> {
    Ok((named(store.data().table.get(&tensor)?.element),))
}

fn dimensions_of(store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Vec<u32>,)> {
    Ok((store.data().table.get(&tensor)?.dims.clone(),))
}

type Strings = Result<Arc<Vec<String>>, Resource<GuestError>>;

/// The one copy out: wasmtime copies the strings into the guest from where they are.
fn strings_of(mut store: Store<'_>, (tensor,): (Resource<GuestTensor>,)) -> wasmtime::Result<(Strings,)> {
    let state = store.data_mut();
    let GuestTensor { value, element, .. } = state.table.get(&tensor)?;
    if let Some(strings) = value.as_ref().ok().and_then(Tensor::string_owner) {
        state.counters.tensors_out.fetch_add(1, Relaxed);
        return Ok((Ok(strings),));
    }
    let why = format!("a tensor of {element} has no strings");
    Ok((Err(state.table.push(GuestError::new(ErrorCode::InvalidArgument, why))?),))
}

fn reshaped(
    mut store: Store<'_>,
    (tensor, dims): (Resource<GuestTensor>, WasmList<u32>),
) -> wasmtime::Result<(Given,)> {
    let dims = dimensions(&mut store, &dims)?;
    let state = store.data_mut();
    let GuestTensor { value, charged, .. } = state.table.get(&tensor)?;
    let charged = *charged;
    let made = match value {
        Ok(value) => shape(&dims).and_then(|shape| value.with_shape(shape).map_err(|error| error.to_string())),
        Err(unfit) => Err(unfit.why.clone()),
    };
    if let Err(over) = state.charge(charged) {
        return refused(state, ErrorCode::TooLarge, over.to_string());
    }
    keep(state, dims, made, charged)
}

/// The dimensions that a guest gives. Those that are too many are cut: they are refused all the same, in fewer words.
fn dimensions(store: &mut Store<'_>, dims: &WasmList<u32>) -> wasmtime::Result<Vec<u32>> {
    dims.iter(store)?.take(RANK_MAX + 1).collect()
}

fn as_many(shape: Shape, strings: usize) -> Result<Shape, String> {
    if shape.elements() == strings {
        return Ok(shape);
    }
    Err(format!("{strings} strings were given, dimensions {shape} take {}", shape.elements()))
}

/// Makes a tensor the guest's, or gives back what it was charged.
fn keep(
    state: &mut GuestState,
    dims: Vec<u32>,
    made: Result<Tensor, String>,
    charged: u64,
) -> wasmtime::Result<(Given,)> {
    match made {
        Ok(value) => {
            let element = value.element_type();
            Ok((Ok(state.table.push(GuestTensor { dims, element, value: Ok(value), charged })?),))
        }
        Err(why) => {
            state.limiter.release(charged);
            refused(state, ErrorCode::InvalidArgument, why)
        }
    }
}

fn refused(state: &mut GuestState, code: ErrorCode, why: String) -> wasmtime::Result<(Given,)> {
    Ok((Err(state.table.push(GuestError::new(code, why))?),))
}
