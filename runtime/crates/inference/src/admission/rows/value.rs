//! What is known of a value while the batch is followed.

use crate::admission::graph::{Declared, Node};
use crate::admission::tensor::Tensor;

/// More numbers than any shape has.
pub(super) const LENGTH_MAX: usize = 64;

/// Why a node mixes rows.
pub(super) type Why = &'static str;

/// What a node makes, output by output.
pub(super) type Step = Result<Vec<Value>, Why>;

/// A dimension, or a number in a shape tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Known(i64),
    /// The number of rows.
    Batch,
    /// Unknown, but the same however many rows there are.
    Other,
}

/// A value: what it has to do with the batch.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// `None` if not even the rank is known; always known where there is a batch.
    pub(super) dims: Option<Vec<Size>>,
    /// The dimension whose index i comes from row i of the inputs alone; `None`: the same whatever the rows.
    pub(super) batch: Option<usize>,
    /// The numbers of a short list of integers or a scalar.
    pub(super) ints: Option<Vec<Size>>,
}

/// A node and what it is given.
pub(super) struct Call<'c, 'a> {
    pub(super) node: &'c Node<'a>,
    /// `None` for an input left out.
    pub(super) inputs: Vec<Option<&'c Value>>,
    /// Of ONNX's own domain.
    pub(super) opset: i64,
}

impl Value {
    pub(super) fn of_input(input: &Declared<'_>) -> Option<Self> {
        let dims = input.dims.as_ref()?;
        let (None, rest) = dims.split_first()? else { return None };
        let rest = rest.iter().map(|dim| dim.map_or(Size::Other, |dim| Size::Known(dim.cast_signed())));
        Some(Self::rows([Size::Batch].into_iter().chain(rest).collect()))
    }

    pub(super) fn of_constant(tensor: &Tensor<'_>) -> Self {
        let dims = tensor.dims.iter().map(|dim| Size::Known(dim.cast_signed())).collect();
        let ints = tensor.ints(LENGTH_MAX).filter(|_| tensor.dims.len() < 2);
        let ints = ints.map(|ints| ints.into_iter().map(Size::Known).collect());
        Self { dims: Some(dims), batch: None, ints }
    }

    /// The batch in dimension 0 of these.
    pub(super) fn rows(dims: Vec<Size>) -> Self {
        Self { dims: Some(dims), batch: Some(0), ints: None }
    }

    /// A constant of unknown shape.
    pub(super) fn constant() -> Self {
        Self { dims: None, batch: None, ints: None }
    }

    /// These dimensions, the batch where it stands in them.
    pub(super) fn shaped(dims: Vec<Size>) -> Self {
        let batch = dims.iter().position(|dim| *dim == Size::Batch);
        Self { dims: Some(dims), batch, ints: None }
    }

    /// Integers: a list, or a scalar.
    pub(super) fn of_ints(ints: Vec<Size>, scalar: bool) -> Self {
        let dims = if scalar { vec![] } else { vec![Size::Known(ints.len().try_into().unwrap_or(i64::MAX))] };
        Self { dims: Some(dims), batch: None, ints: Some(ints) }
    }

    /// Whether the number of rows is among its numbers: then it may shape things and no more.
    pub(super) fn counts_rows(&self) -> bool {
        self.ints.as_ref().is_some_and(|ints| ints.contains(&Size::Batch))
    }

    /// The same whatever the rows, and however many.
    pub(super) fn is_fixed(&self) -> bool {
        self.batch.is_none() && !self.counts_rows()
    }

    pub(super) fn rank(&self) -> Option<usize> {
        self.dims.as_ref().map(Vec::len)
    }
}

impl<'c> Call<'c, '_> {
    /// An input that must be there and must not count rows.
    pub(super) fn data(&self, at: usize) -> Result<&'c Value, Why> {
        match self.maybe(at) {
            Some(value) if value.counts_rows() => Err("computes with the number of rows"),
            Some(value) => Ok(value),
            None => Err("lacks an input"),
        }
    }

    pub(super) fn maybe(&self, at: usize) -> Option<&'c Value> {
        self.inputs.get(at).copied().flatten()
    }

    /// The dimensions of an input; its batch, if it has one, is dimension 0.
    pub(super) fn rows(&self, at: usize) -> Result<&'c [Size], Why> {
        let value = self.data(at)?;
        match (&value.dims, value.batch) {
            (Some(dims), Some(0) | None) => Ok(dims),
            (None, _) => Err("takes a tensor of unknown shape"),
            _ => Err("takes a tensor whose batch is not dimension 0"),
        }
    }

    /// All inputs from this one on must be constant.
    pub(super) fn fixed_from(&self, first: usize) -> Result<(), Why> {
        let fixed = self.inputs.iter().skip(first).flatten().all(|value| value.is_fixed());
        if fixed { Ok(()) } else { Err("takes the batch where a constant is expected") }
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Why> {
        self.node.int(name, default).ok_or("has an attribute that is no number")
    }

    /// The attribute that names a dimension.
    pub(super) fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, Why> {
        normal(self.int(name, default)?, rank)
    }

    /// A list of numbers that are all known, from an attribute of this name or an input. `None` if it is neither.
    pub(super) fn list(&self, name: &str, input: usize) -> Result<Option<Vec<i64>>, Why> {
        if let Some(attribute) = self.node.attribute(name) {
            return attribute.ints(LENGTH_MAX).map(Some).ok_or("has an attribute that is no list of numbers");
        }
        let Some(value) = self.maybe(input) else { return Ok(None) };
        let known = |size: &Size| if let Size::Known(int) = size { Some(*int) } else { None };
        let ints = value.ints.as_ref().and_then(|ints| ints.iter().map(known).collect());
        ints.map(Some).ok_or("takes a list of numbers that is not constant")
    }

    /// The numbers of an input that shapes something, counted rows among them.
    pub(super) fn shape(&self, at: usize) -> Result<&'c [Size], Why> {
        self.maybe(at).and_then(|value| value.ints.as_deref()).ok_or("takes a shape that could not be followed")
    }
}

/// A dimension counted from either end.
pub(super) fn normal(axis: i64, rank: usize) -> Result<usize, Why> {
    let from_end = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
    usize::try_from(from_end).ok().filter(|axis| *axis < rank).ok_or("names a dimension that there is not")
}

/// One dimension of two that are broadcast.
pub(super) fn broadcast(a: Size, b: Size) -> Result<Size, Why> {
    match (a, b) {
        (Size::Known(1), other) | (other, Size::Known(1)) => Ok(other),
        (Size::Batch, Size::Batch) => Ok(Size::Batch),
        // An unknown size might be the number of rows of one call, and not of another.
        (Size::Batch, _) | (_, Size::Batch) => Err("lines the batch up with another dimension"),
        (Size::Known(known), _) | (_, Size::Known(known)) => Ok(Size::Known(known)),
        (Size::Other, Size::Other) => Ok(Size::Other),
    }
}

/// The shape of several that are broadcast; their batches must fall on one dimension.
pub(super) fn broadcast_all<'a>(shapes: impl Iterator<Item = &'a [Size]>) -> Result<Vec<Size>, Why> {
    let mut whole: Vec<Size> = Vec::new();
    for shape in shapes {
        let rank = whole.len().max(shape.len());
        let padded = |dims: &[Size]| {
            let missing = rank - dims.len();
            std::iter::repeat_n(Size::Known(1), missing).chain(dims.iter().copied()).collect::<Vec<_>>()
        };
        let pairs = padded(&whole).into_iter().zip(padded(shape));
        whole = pairs.map(|(a, b)| broadcast(a, b)).collect::<Result<_, _>>()?;
    }
    match whole.iter().filter(|dim| **dim == Size::Batch).count() {
        0 | 1 => Ok(whole),
        _ => Err("pairs rows with rows"),
    }
}
