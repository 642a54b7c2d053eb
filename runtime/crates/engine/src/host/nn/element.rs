//! The names of element types: ONNX's, those of `wasi:nn`, and those of `modelet:nn`.

use modelet_inference::ElementType;

use super::ours::tensors::ElementType as Named;
use super::wit::tensor::TensorType;

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

macro_rules! names {
    ($($model:ident = $named:ident,)*) => {
        /// How `modelet:nn` calls a model's type.
        pub(super) fn named(element: ElementType) -> Named {
            match element {
                $(ElementType::$model => Named::$named,)*
            }
        }

        /// How models call a type of `modelet:nn`.
        pub(super) fn of_name(name: Named) -> ElementType {
            match name {
                $(Named::$named => ElementType::$model,)*
            }
        }
    };
}

names! {
    F32 = F32,
    U8 = U8,
    I8 = I8,
    U16 = U16,
    I16 = I16,
    I32 = I32,
    I64 = I64,
    String = String,
    Bool = Bool,
    F16 = F16,
    F64 = F64,
    U32 = U32,
    U64 = U64,
    Complex64 = Complex64,
    Complex128 = Complex128,
    BF16 = Bf16,
    F8E4M3FN = F8e4m3fn,
    F8E4M3FNUZ = F8e4m3fnuz,
    F8E5M2 = F8e5m2,
    F8E5M2FNUZ = F8e5m2fnuz,
    U4 = U4,
    I4 = I4,
    F4E2M1 = F4e2m1,
    U2 = U2,
    I2 = I2,
    F8E8M0 = F8e8m0,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_name_and_every_name_a_type() {
        for element in ElementType::all() {
            assert_eq!(of_name(named(element)), element);
        }
    }

    #[test]
    fn wasi_nn_names_seven_types_and_takes_booleans_for_bytes() {
        let both = ElementType::all().filter_map(|element| Some((element, element_type(tensor_type(element)?))));
        let (same, other): (Vec<_>, Vec<_>) = both.partition(|(from, to)| from == to);
        assert_eq!((same.len(), other), (7, vec![(ElementType::Bool, ElementType::U8)]));
    }
}
