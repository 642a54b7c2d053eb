//! The copies of a joined run: each caller's rows into one buffer, and no copy of the rows that come back.

use std::sync::Arc;

use super::padding::Padding;
use crate::buffer::AlignedBuf;
use crate::error::TensorError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Named outputs of one run, or one caller's part of them.
pub(crate) type Outputs = Vec<(Arc<str>, Tensor)>;

/// The rows that all feeds of one call have; `None`: they have none in common, or a row is not made of whole bytes.
pub(crate) fn rows_of(feeds: &[Tensor]) -> Option<u32> {
    let rows = *feeds.first()?.shape().dims().first()?;
    let same = |feed: &Tensor| feed.shape().dims().first() == Some(&rows) && has_whole_rows(feed);
    (rows > 0 && feeds.iter().all(same)).then(|| u32::try_from(rows).ok())?
}

/// One feed per input, made of those of all `calls`, in their order; with `padding`, the shorter ones are filled up to the
/// longest. Each byte is copied once.
///
/// # Errors
/// There is no memory for it, or the calls do not suit each other.
pub(crate) fn join(calls: &[&[Tensor]], padding: Option<&Padding>) -> Result<Vec<Tensor>, TensorError> {
    let inputs = calls.first().map_or(0, |feeds| feeds.len());
    let one = |input| {
        let parts: Vec<&Tensor> = calls.iter().filter_map(|feeds| feeds.get(input)).collect();
        join_one(&parts, padding.and_then(|padding| padding.fill_of(input)))
    };
    (0..inputs).map(one).collect()
}

/// Cuts the outputs of a joined run into each caller's `rows`, in their order, without copying bytes.
///
/// # Errors
/// An output has not one row for each row that was fed: the model is not one that can be joined. The text says why.
pub(crate) fn split(outputs: &Outputs, rows: &[u32]) -> Result<Vec<Outputs>, String> {
    let total = rows.iter().map(|rows| i64::from(*rows)).sum::<i64>();
    for (name, output) in outputs {
        if output.shape().dims().first() != Some(&total) || !has_whole_rows(output) {
            return Err(format!("output `{name}` has the shape {} for {total} rows", output.shape()));
        }
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(rows.len());
    for rows in rows {
        let part = outputs.iter().map(|(name, output)| Some((Arc::clone(name), slice(output, start, *rows)?)));
        parts.push(part.collect::<Option<Outputs>>().ok_or("an output could not be cut into rows")?);
        start += *rows as usize;
    }
    Ok(parts)
}

fn join_one(parts: &[&Tensor], fill: Option<(usize, &[u8])>) -> Result<Tensor, TensorError> {
    let Some(first) = parts.first() else { return Err(TensorError::NoBytes) };
    let rows = parts.iter().filter_map(|part| part.shape().dims().first()).sum();
    let shape = with_rows(first.shape(), rows)?;
    if let Some((dim, element)) = fill {
        let size = |part: &&Tensor| part.shape().dims().get(dim).copied().unwrap_or_default();
        let longest = parts.iter().map(size).max().unwrap_or_default();
        if parts.iter().any(|part| size(part) < longest) {
            return join_filled(parts, with_size(&shape, dim, longest)?, (dim, element));
        }
    }
    if first.as_strings().is_some() {
        let strings = parts.iter().filter_map(|part| part.as_strings()).flatten().cloned().collect();
        return Tensor::strings(shape, strings);
    }
    let bytes: Vec<&[u8]> = parts.iter().map(|part| part.host_bytes()).collect::<Result<_, _>>()?;
    Tensor::new(first.element_type(), shape, AlignedBuf::joined(&bytes)?)
}

/// The parts one after the other, each filled up in `dim` to what `shape` has there: its blocks of that dimension, and
/// after each of them as many `element`s as are missing.
fn join_filled(parts: &[&Tensor], shape: Shape, (dim, element): (usize, &[u8])) -> Result<Tensor, TensorError> {
    let Some(first) = parts.first() else { return Err(TensorError::NoBytes) };
    let size = |dims: &[i64], at: usize| dims.get(at).and_then(|size| usize::try_from(*size).ok()).unwrap_or_default();
    let bytes_each = first.element_type().bytes().ok_or(TensorError::NoBytes)?;
    let inner: usize = (dim + 1..shape.rank()).map(|at| size(shape.dims(), at)).product();
    let lengths: Vec<usize> = parts.iter().map(|part| size(part.shape().dims(), dim)).collect();
    let longest = size(shape.dims(), dim);
    let missing_max = longest - lengths.iter().copied().min().unwrap_or(longest);
    let filling = element.repeat(missing_max * inner);
    let mut pieces: Vec<&[u8]> = Vec::new();
    for (part, length) in parts.iter().zip(lengths) {
        let missing = filling.get(..(longest - length) * inner * bytes_each).unwrap_or_default();
        let blocks: usize = (0..dim).map(|at| size(part.shape().dims(), at)).product();
        let block = length * inner * bytes_each;
        for at in 0..blocks {
            pieces.extend([part.bytes().get(at * block..(at + 1) * block).unwrap_or_default(), missing]);
        }
    }
    Tensor::new(first.element_type(), shape, AlignedBuf::joined(&pieces)?)
}

fn slice(whole: &Tensor, start: usize, rows: u32) -> Option<Tensor> {
    let shape = with_rows(whole.shape(), i64::from(rows)).ok()?;
    let elements = shape.elements() / (rows as usize).max(1);
    if let Some(strings) = whole.as_strings() {
        let (from, len) = (start * elements, shape.elements());
        return Tensor::strings(shape, strings.get(from..from + len)?.to_vec()).ok();
    }
    let row = whole.element_type().storage_bytes(elements)?;
    whole.part(shape, start * row..(start + rows as usize) * row)
}

fn with_rows(shape: &Shape, rows: i64) -> Result<Shape, TensorError> {
    with_size(shape, 0, rows)
}

fn with_size(shape: &Shape, dim: usize, size: i64) -> Result<Shape, TensorError> {
    let mut dims = shape.dims().to_vec();
    if let Some(dim) = dims.get_mut(dim) {
        *dim = size;
    }
    Shape::from_signed(&dims)
}

/// Types that share a byte may have rows that begin inside one; those are never cut.
fn has_whole_rows(tensor: &Tensor) -> bool {
    tensor.element_type().bytes().is_some() || tensor.as_strings().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::ElementType;

    fn tensor(element: ElementType, dims: &[u64], bytes: &[u8]) -> Tensor {
        Tensor::new(element, Shape::new(dims).unwrap(), AlignedBuf::copy_of(bytes)).unwrap()
    }

    #[test]
    fn rows_come_back_to_whom_they_belong_and_share_one_buffer() {
        let one = [tensor(ElementType::I16, &[1, 2], &[1, 2, 3, 4])];
        let two = [tensor(ElementType::I16, &[2, 2], &[5, 6, 7, 8, 9, 10, 11, 12])];
        let joined = join(&[&one, &two], None).unwrap();
        assert_eq!(joined[0].shape().dims(), [3, 2]);
        assert_eq!(joined[0].bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let parts = split(&vec![("y".into(), joined[0].clone())], &[1, 2]).unwrap();
        assert_eq!((parts[0][0].1.bytes(), parts[1][0].1.bytes()), (one[0].bytes(), two[0].bytes()));
        assert_eq!(parts[1][0].1.shape().dims(), [2, 2]);
        assert_eq!(parts[1][0].1.bytes().as_ptr(), joined[0].bytes()[4..].as_ptr(), "no copy");
    }

    #[test]
    fn the_shorter_is_filled_up_block_by_block() {
        // Two rows of two words of two numbers, and one row of three words.
        let short = tensor(ElementType::I16, &[2, 2, 1], &[1, 0, 2, 0, 3, 0, 4, 0]);
        let long = tensor(ElementType::I16, &[1, 3, 1], &[5, 0, 6, 0, 7, 0]);
        let joined = join_one(&[&short, &long], Some((1, &[9, 0]))).unwrap();
        assert_eq!(joined.shape().dims(), [3, 3, 1]);
        assert_eq!(joined.bytes(), [1, 0, 2, 0, 9, 0, 3, 0, 4, 0, 9, 0, 5, 0, 6, 0, 7, 0]);
    }

    #[test]
    fn strings_are_joined_and_cut_too() {
        let texts = |texts: &[&str]| {
            let shape = Shape::new(&[texts.len() as u64]).unwrap();
            [Tensor::strings(shape, texts.iter().map(ToString::to_string).collect()).unwrap()]
        };
        let joined = join(&[&texts(&["a"]), &texts(&["b", "c"])], None).unwrap();
        let parts = split(&vec![("y".into(), joined[0].clone())], &[1, 2]).unwrap();
        assert_eq!(parts[1][0].1.as_strings().unwrap(), ["b", "c"]);
    }

    #[test]
    fn an_output_without_a_row_for_each_row_is_refused() {
        let sum = vec![("sum".into(), tensor(ElementType::U8, &[1], &[9]))];
        assert_eq!(split(&sum, &[1, 1]).unwrap_err(), "output `sum` has the shape [1] for 2 rows");
        let packed = vec![("y".into(), tensor(ElementType::U4, &[2, 1], &[0x21]))];
        assert!(split(&packed, &[1, 1]).is_err(), "two rows in one byte");
    }

    #[test]
    fn calls_without_common_rows_have_none() {
        let a = tensor(ElementType::U8, &[2, 1], &[1, 2]);
        assert_eq!(rows_of(&[a.clone(), a.clone()]), Some(2));
        assert_eq!(rows_of(&[a, tensor(ElementType::U8, &[1], &[1])]), None);
        assert_eq!(rows_of(&[tensor(ElementType::U8, &[], &[1])]), None);
        assert_eq!(rows_of(&[tensor(ElementType::U8, &[0, 3], &[])]), None);
        assert_eq!(rows_of(&[]), None);
    }
}
