//! Calls of a sequence model whose inputs differ in length, in one run: the shorter ones are filled up, and what comes
//! back is cut to each caller's own length.
//!
//! What may be filled, and with what, is the card's business (`[batch.pad]`): only its author knows which value the
//! model's mask takes for nothing. Here the rules are held against the model's description, so that every output is
//! known either to carry the filled dimension or not to. Whether the answers stay the same is tried
//! (`trial.rs`); the copies are made in `rows.rs` and `crop.rs`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use modelet_spec::card::PadRule;

use super::crop::crop;
use super::rows::Outputs;
use super::trial::of_f16;
use crate::description::{Description, Dim, Port};
use crate::element::ElementType;
use crate::tensor::Tensor;

/// A batch is filled up to at most 3/2 of what its callers gave. A run's fixed costs are what joining saves, and filling
/// costs as much as words do: on MiniLM (S = 8, 32; batch 1, 8) a run costs about 2.6 ms and a word 0.25 ms of one core, so a
/// call is worth some ten words of filling. With 2/1 any two calls could be joined, however different.
const FILLED_MAX: (usize, usize) = (3, 2);

/// How a model's inputs are filled up and its outputs cut back.
#[derive(Debug, Default)]
pub(crate) struct Padding {
    /// For each input of the model.
    inputs: Vec<Option<Fill>>,
    /// For each output of the model: which of its dimensions are cut, and the name of each as an index into `names`.
    outputs: Vec<Vec<(usize, usize)>>,
    /// The dimensions' names.
    names: Vec<String>,
    /// Why it is not done any more; unset while nothing is known against it.
    against: OnceLock<String>,
}

/// How one input is filled up.
#[derive(Debug)]
struct Fill {
    dim: usize,
    /// Index into `names`.
    name: usize,
    /// One element.
    element: Vec<u8>,
}

/// The sizes of the named dimensions, in the order of their names.
pub(crate) type Lengths = Vec<i64>;

/// How much one batch is filled up: by what its calls have and what the whole has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    lengths: Lengths,
    given_bytes: usize,
}

impl Padding {
    /// Holds a card's rules against what the model says of itself.
    ///
    /// # Errors
    /// Why nothing can be filled, or that there is no rule.
    pub(crate) fn of(rules: &BTreeMap<String, PadRule>, description: &Description) -> Result<Self, String> {
        if rules.is_empty() {
            return Err("its card has no rule in [batch.pad]".to_owned());
        }
        let mut padding = Self::default();
        padding.inputs.resize_with(description.inputs.len(), || None);
        for (name, rule) in rules {
            let at = description.inputs.iter().position(|port| *port.name == **name);
            let (at, port) = at
                .and_then(|at| Some((at, description.inputs.get(at)?)))
                .ok_or_else(|| format!("[batch.pad] names `{name}`, and the model has no such input"))?;
            let fill = padding.fill(port, *rule).map_err(|why| format!("input `{name}` {why}"))?;
            if let Some(place) = padding.inputs.get_mut(at) {
                *place = Some(fill);
            }
        }
        for (port, fill) in description.inputs.iter().zip(&padding.inputs) {
            padding.check_input(port, fill.as_ref())?;
        }
        for port in &description.outputs {
            let cut = padding.cut(port, description).map_err(|why| format!("output `{}` {why}", port.name))?;
            padding.outputs.push(cut);
        }
        Ok(padding)
    }

    /// Not done from now on; gives the reason, which is the first one that was found.
    pub(crate) fn refuse(&self, why: String) -> &str {
        self.against.get_or_init(|| why)
    }

    pub(crate) fn reason_against(&self) -> Option<&str> {
        self.against.get().map(String::as_str)
    }

    /// The lengths of one call; `None`: its inputs do not agree, it has to go alone.
    pub(crate) fn lengths(&self, feeds: &[Tensor]) -> Option<Lengths> {
        let mut lengths = vec![None; self.names.len()];
        for (fill, feed) in self.inputs.iter().zip(feeds) {
            let Some(Fill { dim, name, .. }) = fill else { continue };
            let size = *feed.shape().dims().get(*dim)?;
            if *lengths.get_mut(*name)?.get_or_insert(size) != size {
                return None;
            }
        }
        lengths.into_iter().collect()
    }

    /// Whether two calls differ in nothing but their number of rows and what can be filled.
    pub(crate) fn suit(&self, ours: &[Tensor], theirs: &[Tensor]) -> bool {
        let same = |fill: &Option<Fill>, a: &Tensor, b: &Tensor| {
            let free = fill.as_ref().map_or(0, |fill| fill.dim);
            let (a_dims, b_dims) = (a.shape().dims(), b.shape().dims());
            let differs = a_dims.iter().zip(b_dims).enumerate().any(|(at, (a, b))| a != b && at != 0 && at != free);
            a.element_type() == b.element_type() && a_dims.len() == b_dims.len() && !differs
        };
        ours.len() == theirs.len()
            && self.inputs.iter().zip(ours).zip(theirs).all(|((fill, ours), theirs)| same(fill, ours, theirs))
    }

    /// The input's dimension that is filled up, and one element of the filling.
    pub(crate) fn fill_of(&self, input: usize) -> Option<(usize, &[u8])> {
        let fill = self.inputs.get(input)?.as_ref()?;
        Some((fill.dim, &fill.element))
    }

    /// Cuts one call's inputs to `lengths`, which are not longer.
    pub(crate) fn cut_inputs(&self, feeds: &[Tensor], lengths: &[i64]) -> Option<Vec<Tensor>> {
        let cut = |(fill, feed): (&Option<Fill>, &Tensor)| {
            let Some(Fill { dim, name, .. }) = fill else { return Some(feed.clone()) };
            let mut dims = feed.shape().dims().to_vec();
            *dims.get_mut(*dim)? = *lengths.get(*name)?;
            crop(feed, &dims).ok().map(|cropped| cropped.tensor)
        };
        self.inputs.iter().zip(feeds).map(cut).collect()
    }

    /// Cuts one call's part of a filled run's outputs from `filled` to its own `lengths`; gives how many were copied.
    ///
    /// # Errors
    /// An output is not as long as what was fed: it is not what its description says. The text says why.
    pub(crate) fn cut_outputs(&self, outputs: &mut Outputs, filled: &[i64], lengths: &[i64]) -> Result<u64, String> {
        let mut copied = 0;
        for ((name, output), cuts) in outputs.iter_mut().zip(&self.outputs) {
            let mut dims = output.shape().dims().to_vec();
            for (dim, symbol) in cuts {
                let (full, own) = (filled.get(*symbol), lengths.get(*symbol));
                match (dims.get_mut(*dim), full, own) {
                    (Some(size), Some(full), Some(own)) if size == full => *size = *own,
                    _ => {
                        let (shape, fed) = (output.shape(), full.copied().unwrap_or_default());
                        let symbol = self.names.get(*symbol).map_or("", String::as_str);
                        return Err(format!(
                            "output `{name}` has the shape {shape} where {fed} of `{symbol}` were fed"
                        ));
                    }
                }
            }
            let cropped = crop(output, &dims).map_err(|error| format!("output `{name}` cannot be cut: {error}"))?;
            copied += u64::from(cropped.is_copy);
            *output = cropped.tensor;
        }
        Ok(copied)
    }

    /// Finds the dimension of a rule, and its filling as bytes.
    fn fill(&mut self, port: &Port, rule: PadRule) -> Result<Fill, String> {
        let dim = rule.dim as usize;
        let dims = port.dims.as_ref().ok_or("has no known shape")?;
        let symbol = match dims.get(dim) {
            _ if dim == 0 => return Err("cannot be filled in dimension 0, which is the batch".to_owned()),
            None => return Err(format!("has no dimension {dim}: it is {port}")),
            Some(Dim::Dynamic(Some(symbol))) => symbol,
            Some(_) => return Err(format!("has no name for its dimension {dim}: it is {port}")),
        };
        let element = encode(port.element_type, rule.value)
            .ok_or_else(|| format!("is {} and cannot be filled with {}", port.element_type, rule.value))?;
        let known = self.names.iter().position(|name| name == symbol);
        let name = known.unwrap_or_else(|| {
            self.names.push(symbol.clone());
            self.names.len() - 1
        });
        Ok(Fill { dim, name, element })
    }

    /// An input that carries a filled dimension anywhere must have a rule for just that.
    fn check_input(&self, port: &Port, fill: Option<&Fill>) -> Result<(), String> {
        let dims = port.dims.as_ref().ok_or_else(|| format!("input `{}` has no known shape", port.name))?;
        for (at, dim) in dims.iter().enumerate() {
            let Dim::Dynamic(Some(symbol)) = dim else { continue };
            if self.names.contains(symbol) && fill.is_none_or(|fill| fill.dim != at) {
                let name = &port.name;
                return Err(format!(
                    "input `{name}` has `{symbol}` in dimension {at} and no rule in [batch.pad] for it"
                ));
            }
        }
        Ok(())
    }

    /// Which dimensions of an output are cut; a dimension of unknown origin might have to be.
    fn cut(&self, port: &Port, description: &Description) -> Result<Vec<(usize, usize)>, String> {
        let mut cut = Vec::new();
        for (at, dim) in port.dims.as_ref().ok_or("has no known shape")?.iter().enumerate().skip(1) {
            match dim {
                Dim::Fixed(_) => {}
                Dim::Dynamic(None) => return Err(format!("has no name for its dimension {at}: it is {port}")),
                Dim::Dynamic(Some(symbol)) => match self.names.iter().position(|name| name == symbol) {
                    Some(name) => cut.push((at, name)),
                    None if carries(description, symbol) => {}
                    None => return Err(format!("has `{symbol}` in dimension {at}, and no input has it")),
                },
            }
        }
        Ok(cut)
    }

    /// The bytes of one row of all inputs, filled up to `lengths`.
    fn row_bytes(&self, feeds: &[Tensor], lengths: &[i64]) -> usize {
        let one = |(fill, feed): (&Option<Fill>, &Tensor)| {
            let sizes = feed.shape().dims().iter().enumerate().skip(1).map(|(at, size)| match fill {
                Some(fill) if fill.dim == at => lengths.get(fill.name).copied().unwrap_or(*size),
                _ => *size,
            });
            let elements =
                sizes.fold(1usize, |product, size| product.saturating_mul(usize::try_from(size).unwrap_or_default()));
            elements.saturating_mul(feed.element_type().bytes().unwrap_or_default())
        };
        self.inputs.iter().zip(feeds).fold(0usize, |sum, input| sum.saturating_add(one(input)))
    }
}

impl Filled {
    /// One call alone.
    pub(crate) fn of(lengths: &[i64], bytes: usize) -> Self {
        Self { lengths: lengths.to_vec(), given_bytes: bytes }
    }

    /// The same with one call more, which has `lengths` and `bytes`.
    pub(crate) fn with(&self, lengths: &[i64], bytes: usize) -> Self {
        let longest = self.lengths.iter().zip(lengths).map(|(a, b)| *a.max(b)).collect();
        Self { lengths: longest, given_bytes: self.given_bytes.saturating_add(bytes) }
    }

    /// What `rows` rows like those of `feeds` take when they are filled up; `None` if too much of that is filling.
    pub(crate) fn bytes(&self, padding: &Padding, feeds: &[Tensor], rows: u32) -> Option<usize> {
        let filled = padding.row_bytes(feeds, &self.lengths).saturating_mul(rows as usize);
        let (most, of) = FILLED_MAX;
        (filled.saturating_mul(of) <= self.given_bytes.saturating_mul(most)).then_some(filled)
    }
}

/// The longest of several calls' lengths.
pub(crate) fn longest<'a>(mut calls: impl Iterator<Item = &'a Lengths>) -> Lengths {
    let first = calls.next().cloned().unwrap_or_default();
    calls.fold(first, |longest, lengths| longest.iter().zip(lengths).map(|(a, b)| *a.max(b)).collect())
}

fn carries(description: &Description, symbol: &str) -> bool {
    let dims = description.inputs.iter().filter_map(|port| port.dims.as_ref()).flatten();
    dims.into_iter().any(|dim| matches!(dim, Dim::Dynamic(Some(name)) if name == symbol))
}

/// `value` as one element, if the type has exactly that value.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is lost is found by the way back")]
fn encode(element: ElementType, value: f64) -> Option<Vec<u8>> {
    macro_rules! number {
        ($kind:ty) => {{
            let number = value as $kind;
            (number as f64 == value).then(|| number.to_le_bytes().to_vec())
        }};
    }
    match element {
        ElementType::F32 => number!(f32),
        ElementType::F64 => Some(value.to_le_bytes().to_vec()),
        ElementType::I8 => number!(i8),
        ElementType::I16 => number!(i16),
        ElementType::I32 => number!(i32),
        ElementType::I64 => number!(i64),
        ElementType::U8 => number!(u8),
        ElementType::U16 => number!(u16),
        ElementType::U32 => number!(u32),
        ElementType::U64 => number!(u64),
        ElementType::Bool => (value == 0.0 || value == 1.0).then(|| vec![u8::from(value == 1.0)]),
        ElementType::F16 => {
            (0..=u16::MAX).map(u16::to_le_bytes).find(|bytes| of_f16(*bytes) == value).map(|bytes| bytes.to_vec())
        }
        ElementType::BF16 => {
            let bits = (value as f32).to_bits();
            (f64::from(f32::from_bits(bits)) == value && bits & 0xffff == 0)
                .then(|| ((bits >> 16) as u16).to_le_bytes().to_vec())
        }
        // All bits zero is zero in every type that has bytes of its own.
        other => (value == 0.0).then(|| other.bytes().map(|bytes| vec![0; bytes]))?,
    }
}
