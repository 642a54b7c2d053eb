//! [`ElementType`], and which Rust types are elements.

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
        assert_eq!((standard(i8::TYPE), standard(ElementType::Bool)), (None, None));
    }
}
