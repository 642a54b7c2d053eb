//! Cutting a tensor back in any of its dimensions.

use crate::buffer::AlignedBuf;
use crate::error::TensorError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A tensor that was cut back.
pub(crate) struct Cropped {
    pub(crate) tensor: Tensor,
    /// What was wanted did not lie in one piece.
    pub(crate) is_copy: bool,
}

/// The first `dims` of `whole` in each dimension: a part of its buffer where that lies in one piece, else a copy.
///
/// # Errors
/// `dims` is longer than the tensor somewhere or has another rank, its elements share bytes, or there is no memory.
pub(crate) fn crop(whole: &Tensor, dims: &[i64]) -> Result<Cropped, TensorError> {
    let shape = Shape::from_signed(dims)?;
    let from = whole.shape().dims();
    if from == dims {
        return Ok(Cropped { tensor: whole.clone(), is_copy: false });
    }
    let fits = from.len() == dims.len() && from.iter().zip(dims).all(|(from, to)| from >= to);
    let unfit = || TensorError::Crop { from: whole.shape().to_string(), to: shape.to_string() };
    let runs = if fits { runs(from, dims) } else { Vec::new() };
    if !fits {
        return Err(unfit());
    }
    if let Some(strings) = whole.as_strings() {
        let kept = runs.iter().filter_map(|(start, len)| strings.get(*start..start + len)).flatten().cloned();
        return Ok(Cropped { tensor: Tensor::strings(shape.clone(), kept.collect())?, is_copy: true });
    }
    let size = whole.element_type().bytes().ok_or_else(unfit)?;
    if let [(start, len)] = runs.as_slice() {
        let tensor = whole.part(shape.clone(), start * size..(start + len) * size).ok_or_else(unfit)?;
        return Ok(Cropped { tensor, is_copy: false });
    }
    let bytes = whole.host_bytes()?;
    let parts = runs.iter().map(|(start, len)| bytes.get(start * size..(start + len) * size).unwrap_or_default());
    let copy = AlignedBuf::joined(&parts.collect::<Vec<_>>())?;
    Ok(Cropped { tensor: Tensor::new(whole.element_type(), shape, copy)?, is_copy: true })
}

/// The pieces, as first element and length, that make up `to` inside `from`, which is at least as large.
fn runs(from: &[i64], to: &[i64]) -> Vec<(usize, usize)> {
    let size = |dim: &i64| usize::try_from(*dim).unwrap_or_default();
    let Some(last_cut) = from.iter().zip(to).rposition(|(from, to)| from > to) else {
        return vec![(0, from.iter().map(size).product())];
    };
    let inner: usize = from.iter().skip(last_cut + 1).map(size).product();
    let len = to.get(last_cut).map_or(0, size) * inner;
    let mut starts = vec![0usize];
    let mut stride: usize = from.iter().skip(last_cut).map(size).product();
    for (from, to) in from.iter().zip(to).take(last_cut).rev() {
        starts = (0..size(to)).flat_map(|at| starts.iter().map(move |start| at * stride + start)).collect();
        stride *= size(from);
    }
    starts.into_iter().map(|start| (start, len)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::ElementType;

    fn counted(dims: &[u64]) -> Tensor {
        let shape = Shape::new(dims).unwrap();
        let bytes: Vec<u8> = (0..shape.elements()).map(|n| n as u8).collect();
        Tensor::new(ElementType::U8, shape, AlignedBuf::copy_of(&bytes)).unwrap()
    }

    #[test]
    fn what_lies_in_one_piece_is_not_copied() {
        let whole = counted(&[1, 4, 2]);
        let Cropped { tensor, is_copy } = crop(&whole, &[1, 3, 2]).unwrap();
        assert_eq!((tensor.bytes(), is_copy), (&[0, 1, 2, 3, 4, 5][..], false));
        assert_eq!(tensor.bytes().as_ptr(), whole.bytes().as_ptr());
        assert!(!crop(&whole, &[1, 4, 2]).unwrap().is_copy);
    }

    #[test]
    fn several_dimensions_are_cut_at_once() {
        let Cropped { tensor, is_copy } = crop(&counted(&[2, 3, 4]), &[2, 2, 3]).unwrap();
        assert!(is_copy);
        assert_eq!(tensor.bytes(), [0, 1, 2, 4, 5, 6, 12, 13, 14, 16, 17, 18]);
        assert_eq!(crop(&counted(&[2, 3]), &[2, 0]).unwrap().tensor.bytes(), [0u8; 0]);
    }

    #[test]
    fn strings_are_cut_too_and_nothing_grows() {
        let shape = Shape::new(&[2, 2]).unwrap();
        let words = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let whole = Tensor::strings(shape, words).unwrap();
        assert_eq!(crop(&whole, &[2, 1]).unwrap().tensor.as_strings().unwrap(), ["a", "c"]);
        assert!(crop(&counted(&[2, 2]), &[2, 3]).is_err());
        assert!(crop(&counted(&[2, 2]), &[2]).is_err());
    }
}
