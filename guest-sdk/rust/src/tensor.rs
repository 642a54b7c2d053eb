//! [`Tensor`]: typed values that live in the host, copied there once and back once.

use bytemuck::{AnyBitPattern, NoUninit};

use crate::Error;
use crate::wasi::nn::tensor::Tensor as Raw;
pub use crate::wasi::nn::tensor::TensorType as ElementType;

/// A tensor: an element type, dimensions and values in row-major order. The values live in the host; making one copies
/// them there, [`Tensor::to_vec`] copies them back.
///
/// A scalar has the dimensions `[1]`, as `wasi:nn` says. What `wasi:nn` has no element type for travels as the bytes of
/// one of the same size: `bool` as [`ElementType::U8`] ([`Tensor::bools`]), half floats as their bits
/// ([`Tensor::bits16`]).
#[derive(Debug)]
pub struct Tensor {
    raw: Raw,
}

/// A Rust type that is an element of a tensor: `f32`, `f64`, `i32`, `i64` or `u8`.
pub trait Element: NoUninit + AnyBitPattern + sealed::Sealed {
    /// What `wasi:nn` calls it.
    const TYPE: ElementType;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($rust:ty => $nn:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const TYPE: ElementType = ElementType::$nn;
        }
    )*};
}
elements!(f32 => Fp32, f64 => Fp64, i32 => I32, i64 => I64, u8 => U8);

impl Tensor {
    /// A tensor of these dimensions and values.
    ///
    /// # Errors
    /// 500 if the number of values is not the product of the dimensions, or a dimension is over `u32::MAX`.
    pub fn new<T: Element>(dims: &[usize], values: &[T]) -> Result<Self, Error> {
        Self::checked(dims, T::TYPE, values.len(), bytemuck::cast_slice(values))
    }

    /// A tensor of one dimension.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn vector<T: Element>(values: &[T]) -> Result<Self, Error> {
        Self::new(&[values.len()], values)
    }

    /// A tensor for a model's `bool` input.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn bools(dims: &[usize], values: &[bool]) -> Result<Self, Error> {
        Self::checked(dims, ElementType::U8, values.len(), bytemuck::cast_slice(values))
    }

    /// A tensor of half floats, [`ElementType::Fp16`] or [`ElementType::Bf16`], given as their bits.
    ///
    /// # Errors
    /// 500 for another element type; and as [`Tensor::new`].
    pub fn bits16(dims: &[usize], element: ElementType, bits: &[u16]) -> Result<Self, Error> {
        if !matches!(element, ElementType::Fp16 | ElementType::Bf16) {
            return Err(Error::internal(format!("{element:?} is not an element type of 16 bits")));
        }
        Self::checked(dims, element, bits.len(), bytemuck::cast_slice(bits))
    }

    /// A tensor of any element type from its bytes, little-endian. Bytes that do not fit the dimensions are refused by
    /// the host when a model is run.
    #[must_use]
    pub fn from_bytes(dims: &[u32], element: ElementType, bytes: &[u8]) -> Self {
        Self { raw: Raw::new(dims, element, bytes) }
    }

    /// The dimensions; one call into the host.
    #[must_use]
    pub fn dims(&self) -> Vec<usize> {
        // A component's address space has 32 bits: u32 and usize are one there.
        self.raw.dimensions().into_iter().map(|dim| dim as usize).collect()
    }

    /// The element type; one call into the host.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        self.raw.ty()
    }

    /// The values; two calls into the host.
    ///
    /// # Errors
    /// 500 if the tensor has another element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, Error> {
        let found = self.raw.ty();
        if found != T::TYPE {
            return Err(Error::internal(format!("the tensor holds {found:?}, not {:?}", T::TYPE)));
        }
        values(&self.raw.data())
    }

    /// The values of a `bool` tensor.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    pub fn to_bools(&self) -> Result<Vec<bool>, Error> {
        Ok(self.to_vec::<u8>()?.into_iter().map(|byte| byte != 0).collect())
    }

    /// The bits of half floats.
    ///
    /// # Errors
    /// 500 if the elements do not have 16 bits.
    pub fn to_bits16(&self) -> Result<Vec<u16>, Error> {
        match self.raw.ty() {
            ElementType::Fp16 | ElementType::Bf16 => values(&self.raw.data()),
            other => Err(Error::internal(format!("the tensor holds {other:?}, not half floats"))),
        }
    }

    /// The bytes of any tensor, little-endian; one call into the host.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.raw.data()
    }

    pub(crate) fn from_raw(raw: Raw) -> Self {
        Self { raw }
    }

    pub(crate) fn into_raw(self) -> Raw {
        self.raw
    }

    fn checked(dims: &[usize], element: ElementType, len: usize, bytes: &[u8]) -> Result<Self, Error> {
        let dims = checked_dims(dims, len)?;
        Ok(Self::from_bytes(&dims, element, bytes))
    }
}

/// The dimensions as `wasi:nn` has them, if their product is `len`.
fn checked_dims(dims: &[usize], len: usize) -> Result<Vec<u32>, Error> {
    let product = dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim));
    if product != Some(len) {
        return Err(Error::internal(format!("a tensor of shape {dims:?} was given {len} values")));
    }
    dims.iter().map(|dim| u32::try_from(*dim).map_err(Error::from)).collect()
}

fn values<T: NoUninit + AnyBitPattern>(bytes: &[u8]) -> Result<Vec<T>, Error> {
    let size = size_of::<T>();
    if !bytes.len().is_multiple_of(size) {
        return Err(Error::internal(format!(
            "a tensor of {} bytes does not hold elements of {size} bytes",
            bytes.len()
        )));
    }
    let mut values = vec![T::zeroed(); bytes.len() / size];
    bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_must_fit_the_values() {
        assert_eq!(checked_dims(&[2, 3], 6).unwrap(), [2, 3]);
        assert_eq!(checked_dims(&[0, 3], 0).unwrap(), [0, 3]);
        assert_eq!(checked_dims(&[], 1).unwrap(), [] as [u32; 0]);
        assert!(checked_dims(&[2, 3], 5).is_err());
        assert!(checked_dims(&[usize::MAX, 2], 1).is_err());
    }

    #[test]
    fn bytes_become_values_whatever_their_alignment() {
        let bytes = [0_u8, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
        assert_eq!(values::<f32>(&bytes[1..]).unwrap(), [1.0, 2.0]);
        assert!(values::<f32>(&bytes).is_err());
    }
}
