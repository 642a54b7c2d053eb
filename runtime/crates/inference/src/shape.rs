//! A tensor's shape, checked once so that nothing below has to check it again.

use std::fmt;

use crate::element::ElementType;
use crate::error::TensorError;

/// Dimensions kept without an allocation; most models need at most five.
const INLINE: usize = 6;

/// More dimensions than any model here has had; a longer list is a mistake or an attack.
const RANK_MAX: usize = 64;

/// A tensor's dimensions. No dimension is negative and the number of elements fits `usize`.
#[derive(Clone)]
pub struct Shape {
    dims: Dims,
    elements: usize,
}

#[derive(Clone)]
enum Dims {
    Inline { len: u8, dims: [i64; INLINE] },
    Heap(Box<[i64]>),
}

impl Shape {
    /// Checks `dims`; an empty list is a scalar.
    ///
    /// # Errors
    /// More than 64 dimensions, or more elements than a machine word counts.
    pub fn new(dims: &[u64]) -> Result<Self, TensorError> {
        let signed: Option<Vec<i64>> = dims.iter().map(|dim| i64::try_from(*dim).ok()).collect();
        match signed {
            Some(signed) => Self::from_signed(&signed),
            None => Err(TensorError::Overflow { shape: format!("{dims:?}") }),
        }
    }

    /// The shape of a single value: no dimensions, one element.
    #[must_use]
    pub fn scalar() -> Self {
        Self { dims: Dims::Inline { len: 0, dims: [0; INLINE] }, elements: 1 }
    }

    /// The dimensions, none of them negative.
    #[must_use]
    pub fn dims(&self) -> &[i64] {
        match &self.dims {
            Dims::Inline { len, dims } => dims.get(..usize::from(*len)).unwrap_or_default(),
            Dims::Heap(dims) => dims,
        }
    }

    /// The number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.dims().len()
    }

    /// The number of elements; 1 for a scalar, 0 if any dimension is 0.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The bytes that elements of `element` take in this shape.
    ///
    /// # Errors
    /// The number does not fit `usize`, or the elements are strings, which have no fixed size.
    pub fn bytes(&self, element: ElementType) -> Result<usize, TensorError> {
        if element == ElementType::String {
            return Err(TensorError::NoBytes);
        }
        element.storage_bytes(self.elements).ok_or_else(|| TensorError::Overflow { shape: self.to_string() })
    }

    pub(crate) fn from_signed(dims: &[i64]) -> Result<Self, TensorError> {
        if dims.len() > RANK_MAX {
            return Err(TensorError::Rank { rank: dims.len(), max: RANK_MAX });
        }
        let elements = count(dims).ok_or_else(|| TensorError::Overflow { shape: format!("{dims:?}") })?;
        let mut inline = [0; INLINE];
        let dims = match inline.get_mut(..dims.len()) {
            Some(head) => {
                head.copy_from_slice(dims);
                Dims::Inline { len: u8::try_from(dims.len()).unwrap_or_default(), dims: inline }
            }
            None => Dims::Heap(dims.into()),
        };
        Ok(Self { dims, elements })
    }
}

/// Even where one dimension is 0, the others must not overflow: ONNX Runtime multiplies from the left.
fn count(dims: &[i64]) -> Option<usize> {
    let mut elements = 1usize;
    let mut nonzero = 1usize;
    for dim in dims {
        let dim = usize::try_from(*dim).ok()?;
        elements = elements.checked_mul(dim)?;
        nonzero = nonzero.checked_mul(dim.max(1))?;
    }
    i64::try_from(nonzero).ok()?;
    Some(elements)
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.dims() == other.dims()
    }
}

impl Eq for Shape {}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.dims(), f)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.dims(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_one_element_and_an_empty_dimension_none() {
        assert_eq!(Shape::new(&[]).unwrap().elements(), 1);
        assert_eq!(Shape::new(&[]).unwrap(), Shape::scalar());
        assert_eq!(Shape::new(&[3, 0, 2]).unwrap().elements(), 0);
    }

    #[test]
    fn long_shapes_keep_their_dimensions() {
        let dims: Vec<u64> = (1..=9).collect();
        let shape = Shape::new(&dims).unwrap();
        assert_eq!(shape.rank(), 9);
        assert_eq!(shape.to_string(), "[1, 2, 3, 4, 5, 6, 7, 8, 9]");
        assert!(Shape::new(&[1; 65]).is_err());
    }

    #[test]
    fn products_that_overflow_are_refused() {
        for dims in [&[u64::MAX][..], &[1 << 32, 1 << 32], &[i64::MAX as u64, 4], &[0, 1 << 40, 1 << 40]] {
            assert!(matches!(Shape::new(dims), Err(TensorError::Overflow { .. })), "{dims:?}");
        }
        let large = Shape::new(&[1 << 61]).unwrap();
        assert!(matches!(large.bytes(ElementType::F64), Err(TensorError::Overflow { .. })));
        assert_eq!(Shape::new(&[2, 3]).unwrap().bytes(ElementType::F16).unwrap(), 12);
    }
}
