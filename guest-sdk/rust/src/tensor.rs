//! [`Tensor`]: typed values that live in the host, copied there once and back once.

use std::cell::OnceCell;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::Error;
use crate::element::{Element, ElementType, of_standard, standard};
use crate::modelet::nn::tensors::{reshaped, strings_of, tensor_of, tensor_of_strings};
use crate::wasi::nn::tensor::Tensor as Raw;

/// A tensor: an element type, dimensions and values in row-major order. The values live in the host; making one copies
/// them there, [`Tensor::to_vec`] copies them back, and nothing else copies them: an output that is the next call's input
/// stays where it is.
///
/// A scalar has the dimensions `[1]`, as `wasi:nn` says. Half floats are given as their bits ([`Tensor::bits16`]), and what
/// Rust has no type for as bytes ([`Tensor::from_bytes`]). Element types that `wasi:nn` has no name for are made and read
/// through `modelet:nn`, which a function imports only if it uses one.
#[derive(Debug)]
pub struct Tensor {
    raw: Raw,
    /// Set where nobody has to be asked.
    element: OnceCell<ElementType>,
}

impl Tensor {
    /// A tensor of these dimensions and values.
    ///
    /// # Errors
    /// 500 if the number of values is not the product of the dimensions, or a dimension is over `u32::MAX`; for an element
    /// type that `wasi:nn` has not also 413 `model-too-large` over the function's limit for tensors.
    pub fn new<T: Element>(dims: &[usize], values: &[T]) -> Result<Self, Error> {
        let dims = checked_dims(dims, values.len())?;
        let bytes = bytemuck::cast_slice(values);
        // Decided when this is compiled: a function of `f32` alone does not import `modelet:nn`.
        match T::STANDARD {
            Some(ty) => Ok(Self::known(Raw::new(&dims, ty, bytes), T::TYPE)),
            None => Self::typed(&dims, T::TYPE, bytes),
        }
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
        // As bytes, which models take for it, so that it needs nothing but wasi:nn.
        Self::new::<u8>(dims, bytemuck::cast_slice(values))
    }

    /// A tensor of half floats, [`ElementType::F16`] or [`ElementType::Bf16`], given as their bits.
    ///
    /// # Errors
    /// 500 for another element type; and as [`Tensor::new`].
    pub fn bits16(dims: &[usize], element: ElementType, bits: &[u16]) -> Result<Self, Error> {
        let ty = standard(element).filter(|_| matches!(element, ElementType::F16 | ElementType::Bf16));
        let ty = ty.ok_or_else(|| Error::internal(format!("{element} is not half floats")))?;
        let dims = checked_dims(dims, bits.len())?;
        Ok(Self::known(Raw::new(&dims, ty, bytemuck::cast_slice(bits)), element))
    }

    /// A tensor of strings.
    ///
    /// # Errors
    /// 500 if the number of strings is not the product of the dimensions; 413 `model-too-large` over the function's limit
    /// for tensors, where each string counts as its bytes and 48 more.
    pub fn strings<S: Into<String>>(dims: &[usize], values: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let values: Vec<String> = values.into_iter().map(S::into).collect();
        let dims = checked_dims(dims, values.len())?;
        let raw = tensor_of_strings(&dims, &values).map_err(|error| Error::of_model(&error, "making a tensor"))?;
        Ok(Self::known(raw, ElementType::String))
    }

    /// A tensor of any element type but strings from its bytes, little-endian; types of less than 8 bits are packed, the
    /// first element in the lowest bits.
    ///
    /// # Errors
    /// 400 `model-invalid-argument` if the bytes do not fit the dimensions, 413 `model-too-large` over the function's limit
    /// for tensors.
    pub fn from_bytes(dims: &[usize], element: ElementType, bytes: &[u8]) -> Result<Self, Error> {
        let dims = dims.iter().map(|dim| u32::try_from(*dim)).collect::<Result<Vec<_>, _>>()?;
        Self::typed(&dims, element, bytes)
    }

    /// The dimensions; one call into the host.
    #[must_use]
    pub fn dims(&self) -> Vec<usize> {
        // A component's address space has 32 bits: u32 and usize are one there.
        self.raw.dimensions().into_iter().map(|dim| dim as usize).collect()
    }

    /// The element type; one call into the host for an output of [`Model::run`](crate::Model::run), else none.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        *self.element.get_or_init(|| of_standard(self.raw.ty()))
    }

    /// The values.
    ///
    /// # Errors
    /// 500 if the tensor has another element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, Error> {
        self.expect(&[T::TYPE])?;
        values(&self.raw.data())
    }

    /// The values of a `bool` tensor.
    ///
    /// # Errors
    /// 500 if the elements are neither `bool` nor bytes.
    pub fn to_bools(&self) -> Result<Vec<bool>, Error> {
        self.expect(&[ElementType::Bool, ElementType::U8])?;
        Ok(self.raw.data().into_iter().map(|byte| byte != 0).collect())
    }

    /// The bits of half floats.
    ///
    /// # Errors
    /// 500 if the elements are no half floats.
    pub fn to_bits16(&self) -> Result<Vec<u16>, Error> {
        self.expect(&[ElementType::F16, ElementType::Bf16])?;
        values(&self.raw.data())
    }

    /// The strings of a tensor of strings. What a model gives and is not UTF-8 has U+FFFD in it.
    ///
    /// # Errors
    /// 500 if the elements are no strings.
    pub fn to_strings(&self) -> Result<Vec<String>, Error> {
        self.expect(&[ElementType::String])?;
        strings_of(&self.raw).map_err(|error| Error::of_model(&error, "reading a tensor"))
    }

    /// The bytes of any tensor but one of strings, little-endian; one call into the host.
    ///
    /// # Errors
    /// 500 if the elements are strings.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        if self.element.get() == Some(&ElementType::String) {
            return Err(Error::internal("strings have no bytes: to_strings reads them"));
        }
        Ok(self.raw.data())
    }

    /// The same values under other dimensions of as many elements. Nothing is copied; the function's limit for tensors
    /// counts both in full.
    ///
    /// # Errors
    /// 400 `model-invalid-argument` if the number of elements is another; 413 `model-too-large`.
    pub fn reshaped(&self, dims: &[usize]) -> Result<Self, Error> {
        let dims = dims.iter().map(|dim| u32::try_from(*dim)).collect::<Result<Vec<_>, _>>()?;
        let raw = reshaped(&self.raw, &dims).map_err(|error| Error::of_model(&error, "reshaping a tensor"))?;
        Ok(Self { raw, element: self.element.clone() })
    }

    /// The tensor of the raw bindings.
    #[must_use]
    pub fn raw(&self) -> &Raw {
        &self.raw
    }

    pub(crate) fn from_raw(raw: Raw) -> Self {
        Self { raw, element: OnceCell::new() }
    }

    pub(crate) fn known(raw: Raw, element: ElementType) -> Self {
        Self { raw, element: OnceCell::from(element) }
    }

    pub(crate) fn into_raw(self) -> Raw {
        self.raw
    }

    fn typed(dims: &[u32], element: ElementType, bytes: &[u8]) -> Result<Self, Error> {
        let raw = tensor_of(dims, element, bytes).map_err(|error| Error::of_model(&error, "making a tensor"))?;
        Ok(Self::known(raw, element))
    }

    fn expect(&self, wanted: &[ElementType]) -> Result<(), Error> {
        let found = self.element_type();
        if wanted.contains(&found) {
            return Ok(());
        }
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Err(Error::internal(format!("the tensor holds {found}, not {}", wanted.join(" or "))))
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
