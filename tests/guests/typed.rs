//! Tensors of every element type through `modelet:nn`, as a frame has them.

use std::borrow::Cow;

use modelet_sdk::ElementType;
use modelet_sdk::modelet::nn::models::Output;
use modelet_sdk::modelet::nn::tensors::{dimensions_of, strings_of, tensor_of, tensor_of_strings};
use modelet_sdk::wasi::nn::errors::Error as NnError;
use modelet_sdk::wasi::nn::tensor::Tensor;

use crate::frame::{Kind, Part, pack, unpack};

macro_rules! names {
    ($($kind:ident = $element:ident,)*) => {
        /// What the bindings call a frame's element type.
        #[must_use]
        pub fn element(kind: Kind) -> ElementType {
            match kind {
                $(Kind::$kind => ElementType::$element,)*
            }
        }

        /// What a frame calls an element type of the bindings.
        #[must_use]
        pub fn kind(element: ElementType) -> Kind {
            match element {
                $(ElementType::$element => Kind::$kind,)*
            }
        }
    };
}

names! {
    Fp16 = F16,
    Fp32 = F32,
    Fp64 = F64,
    Bf16 = Bf16,
    U8 = U8,
    I32 = I32,
    I64 = I64,
    Bool = Bool,
    String = String,
    I8 = I8,
    I16 = I16,
    U16 = U16,
    U32 = U32,
    U64 = U64,
    F8e4m3fn = F8e4m3fn,
    F8e4m3fnuz = F8e4m3fnuz,
    F8e5m2 = F8e5m2,
    F8e5m2fnuz = F8e5m2fnuz,
    F8e8m0 = F8e8m0,
    F4e2m1 = F4e2m1,
    U4 = U4,
    I4 = I4,
    U2 = U2,
    I2 = I2,
    Complex64 = Complex64,
    Complex128 = Complex128,
}

/// A tensor of a frame. Strings that are not packed as they should be are none.
///
/// # Errors
/// What the host says.
pub fn tensor(part: &Part<'_>) -> Result<Tensor, NnError> {
    match part.kind {
        Kind::String => tensor_of_strings(&part.dims, &unpack(&part.data).unwrap_or_default()),
        kind => tensor_of(&part.dims, element(kind), &part.data),
    }
}

/// An output as a tensor of a frame.
///
/// # Errors
/// What the host says.
pub fn part(output: &Output) -> Result<Part<'static>, NnError> {
    let kind = kind(output.element_type);
    let data = match kind {
        Kind::String => pack(&strings_of(&output.tensor)?).unwrap_or_default(),
        _ => output.tensor.data(),
    };
    Ok(Part { name: output.name.clone(), kind, dims: dimensions_of(&output.tensor), data: Cow::Owned(data) })
}
