//! Any element type, dimensions and data: a shape counts as wide arithmetic does, and a tensor is made of exactly the bytes
//! that its shape needs.
//!
//! The bytes are the element type's number, a number of dimensions, eight bytes for each, and the data.

use modelet_inference::{AlignedBuf, ElementType, Shape, Tensor};

/// More dimensions than are allowed, so that this is met, too.
const RANK_MAX: usize = 80;

pub(crate) fn check(data: &[u8]) {
    let Some((&[kind, rank], rest)) = data.split_first_chunk::<2>() else { return };
    let element = ElementType::all().nth(usize::from(kind) % ElementType::all().count()).expect("in range");
    let (chunks, _) = rest.as_chunks::<8>();
    let dims: Vec<u64> =
        chunks.iter().take(usize::from(rank) % RANK_MAX).map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let bytes = rest.get(8 * dims.len()..).unwrap_or_default();
    // Without the empty dimensions, which do not make the others smaller.
    let count = dims.iter().try_fold(1_u128, |product, dim| product.checked_mul(u128::from((*dim).max(1))));
    let fits = dims.len() <= 64 && count.is_some_and(|count| i64::try_from(count).is_ok());
    let shape = Shape::new(&dims);
    assert_eq!(shape.is_ok(), fits, "{dims:?}");
    let Ok(shape) = shape else { return };
    let elements = if dims.contains(&0) { 0 } else { count.unwrap_or_default() };
    assert_eq!((shape.elements() as u128, shape.rank()), (elements, dims.len()), "{dims:?}");
    let words: Vec<String> = bytes.iter().map(|byte| char::from(*byte).to_string()).collect();
    assert_eq!(Tensor::strings(shape.clone(), words).is_ok(), elements == bytes.len() as u128);
    let needed = shape.bytes(element);
    let tensor = Tensor::new(element, shape.clone(), AlignedBuf::copy_of(bytes));
    assert_eq!(tensor.is_ok(), needed.is_ok_and(|needed| needed == bytes.len()), "{element:?} {dims:?}");
    if let Ok(tensor) = tensor {
        assert_eq!((tensor.bytes(), tensor.byte_len(), tensor.shape()), (bytes, bytes.len(), &shape));
        let flat = Shape::new(&[shape.elements() as u64]).expect("it is no larger");
        assert_eq!(tensor.with_shape(flat).expect("of as many elements").bytes(), bytes);
        assert_eq!(tensor.into_kept().expect("it lies in main memory").bytes(), bytes);
    }
}
