//! [`ElementType`], and which Rust types are elements.

use std::fmt;

use bytemuck::{AnyBitPattern, NoUninit};

pub use crate::modelet::nn::tensors::ElementType;
use crate::wasi::nn::tensor::TensorType;

/// A Rust type that is an element of a tensor: the whole numbers of 8 to 64 bits, `f32` and `f64`.
pub trait Element: NoUninit + AnyBitPattern + sealed::Sealed {
    /// What ONNX calls it.
    const TYPE: ElementType;
    /// What `wasi:nn` calls it, if it has a name for it.
    #[doc(hidden)]
    const STANDARD: Option<TensorType>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($rust:ty => $name:ident, $standard:expr;)*) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const TYPE: ElementType = ElementType::$name;
            const STANDARD: Option<TensorType> = $standard;
        }
    )*};
}

elements! {
    f32 => F32, Some(TensorType::Fp32);
    f64 => F64, Some(TensorType::Fp64);
    i8 => I8, None;
    i16 => I16, None;
    i32 => I32, Some(TensorType::I32);
    i64 => I64, Some(TensorType::I64);
    u8 => U8, Some(TensorType::U8);
    u16 => U16, None;
    u32 => U32, None;
    u64 => U64, None;
}

/// As Modelet's messages have it: `f32`, `i64`, `string` …
impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::String => "string",
            Self::Bool => "bool",
            Self::F16 => "f16",
            Self::F64 => "f64",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::Bf16 => "bf16",
            Self::F8e4m3fn => "f8e4m3fn",
            Self::F8e4m3fnuz => "f8e4m3fnuz",
            Self::F8e5m2 => "f8e5m2",
            Self::F8e5m2fnuz => "f8e5m2fnuz",
            Self::U4 => "u4",
            Self::I4 => "i4",
            Self::F4e2m1 => "f4e2m1",
            Self::U2 => "u2",
            Self::I2 => "i2",
            Self::F8e8m0 => "f8e8m0",
        })
    }
}

/// What `wasi:nn` calls an element type, if it has a name for it.
pub(crate) fn standard(element: ElementType) -> Option<TensorType> {
    Some(match element {
        ElementType::F16 => TensorType::Fp16,
        ElementType::F32 => TensorType::Fp32,
        ElementType::F64 => TensorType::Fp64,
        ElementType::Bf16 => TensorType::Bf16,
        ElementType::U8 => TensorType::U8,
        ElementType::I32 => TensorType::I32,
        ElementType::I64 => TensorType::I64,
        _ => return None,
    })
}

/// The element type that `wasi:nn` gives a name to.
pub(crate) fn of_standard(ty: TensorType) -> ElementType {
    match ty {
        TensorType::Fp16 => ElementType::F16,
        TensorType::Fp32 => ElementType::F32,
        TensorType::Fp64 => ElementType::F64,
        TensorType::Bf16 => ElementType::Bf16,
        TensorType::U8 => ElementType::U8,
        TensorType::I32 => ElementType::I32,
        TensorType::I64 => ElementType::I64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_wasi_nn_go_there_and_back() {
        assert_eq!(f32::STANDARD.map(of_standard), Some(f32::TYPE));
        assert_eq!(u8::STANDARD.map(of_standard), Some(u8::TYPE));
        assert_eq!(standard(ElementType::Bf16).map(of_standard), Some(ElementType::Bf16));
        assert_eq!(ElementType::Bf16.to_string(), "bf16");
        assert_eq!((standard(i8::TYPE), standard(ElementType::Bool)), (None, None));
    }
}
