//! The trial: the same samples one by one and joined, filled up to the same length if need be, and whether the answers are
//! the same.

use std::sync::Arc;

use modelet_spec::Flow;

use super::former::suit;
use super::padding::{self, Lengths, Padding};
use super::rows::{self, Outputs};
use crate::element::ElementType;
use crate::error::RunError;
use crate::model::Model;
use crate::tensor::Tensor;

/// What joined and single runs may differ by: kernels choose their order of summation by the size of the batch.
const RELATIVE: f64 = 1e-4;
const ABSOLUTE: f64 = 1e-5;

/// What a trial found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchTrial {
    /// Joined and single runs gave the same answers.
    Equal,
    /// The model's calls are not joined from now on; the text says why.
    NotBatchable(String),
}

impl Model {
    /// Runs `samples`, each a call's inputs, one by one and joined, and compares: integers, booleans and strings exactly,
    /// floats within 1e-4 relative and 1e-5 absolute (16-bit ones within four steps of their own). If they differ, or
    /// the joined run fails, the model's calls are not joined from then on.
    ///
    /// If its inputs can be filled up (`ModelOptions::padding`), that is tried too, with samples of different lengths; where
    /// all are equally long, every other one is cut to half. If those answers differ, only calls of equal length are
    /// joined from then on: see [`Model::reason_against_padding`].
    ///
    /// Takes two runs' time for each sample, or four: meant for the moment a model is pushed. Without a Tokio runtime any
    /// executor that blocks will do.
    ///
    /// # Errors
    /// The samples do not fit the model or each other, or are less than two rows; or a single run failed. The model
    /// stays as it was.
    pub async fn verify_batching(
        self: &Arc<Self>,
        samples: Vec<Vec<(String, Tensor)>>,
    ) -> Result<BatchTrial, RunError> {
        if let Some(reason) = self.reason_against_batching() {
            return Ok(BatchTrial::NotBatchable(reason.to_owned()));
        }
        let feeds: Result<Vec<_>, _> = samples.into_iter().map(|inputs| self.description().feeds(inputs)).collect();
        let feeds = feeds?;
        let Some(padding) = self.padding() else {
            return self.try_alike(&feeds).await;
        };
        let lengths: Option<Vec<Lengths>> = feeds.iter().map(|feeds| padding.lengths(feeds)).collect();
        let lengths = lengths.ok_or_else(|| refuse("have inputs that differ in length within one sample"))?;
        let alike = cut_all(padding, &feeds, |_| shortest(&lengths))?;
        if let BatchTrial::NotBatchable(why) = self.try_alike(&alike).await? {
            return Ok(BatchTrial::NotBatchable(why));
        }
        if let Err(why) = self.try_filled(padding, &feeds, &lengths).await? {
            padding.refuse(why);
        }
        Ok(BatchTrial::Equal)
    }

    /// Samples of equal length, one by one and joined.
    async fn try_alike(self: &Arc<Self>, samples: &[Vec<Tensor>]) -> Result<BatchTrial, RunError> {
        let alike = samples.first().is_some_and(|first| samples.iter().all(|feeds| suit(first, feeds)));
        if !alike {
            return Err(refuse("may differ in nothing but their number of rows"));
        }
        Ok(match self.try_joined(None, samples).await? {
            Ok(()) => BatchTrial::Equal,
            Err(why) => BatchTrial::NotBatchable(self.refuse_batching(why).to_owned()),
        })
    }

    /// Samples of different lengths, one by one and filled up.
    async fn try_filled(
        self: &Arc<Self>,
        padding: &Padding,
        samples: &[Vec<Tensor>],
        lengths: &[Lengths],
    ) -> Result<Result<(), String>, RunError> {
        let longest = padding::longest(lengths.iter());
        if lengths.iter().any(|lengths| *lengths != longest) {
            return self.try_joined(Some(padding), samples).await;
        }
        if longest.iter().all(|size| *size < 2) {
            return Ok(Err("no sample was long enough to be tried with a shorter one".to_owned()));
        }
        let halves: Lengths = longest.iter().map(|size| (size + 1) / 2).collect();
        let cut = cut_all(padding, samples, |at| if at % 2 == 1 { halves.clone() } else { longest.clone() })?;
        self.try_joined(Some(padding), &cut).await
    }

    /// Whether a joined run gives each sample's own answer; the text says where it does not.
    async fn try_joined(
        self: &Arc<Self>,
        padding: Option<&Padding>,
        samples: &[Vec<Tensor>],
    ) -> Result<Result<(), String>, RunError> {
        let rows = rows_of(samples)?;
        let mut singles = Vec::with_capacity(samples.len());
        for feeds in samples {
            singles.push(self.run(Flow::new(0, 0), self.named(feeds)).await?);
        }
        let joined = rows::join(&samples.iter().map(Vec::as_slice).collect::<Vec<_>>(), padding);
        let joined = joined.map_err(|error| RunError::TooLarge(error.to_string()))?;
        Ok(match self.run(Flow::new(0, 0), self.named(&joined)).await {
            Ok(outputs) => rows::split(&outputs, &rows).and_then(|mut parts| {
                if let Some(padding) = padding {
                    cut_back(padding, samples, &mut parts)?;
                }
                compare(&singles, &parts)
            }),
            Err(RunError::Failed(why) | RunError::InvalidArgument(why)) => Err(format!("a joined run fails: {why}")),
            Err(error) => return Err(error),
        })
    }

    fn named(&self, feeds: &[Tensor]) -> Vec<(String, Tensor)> {
        self.description().inputs.iter().map(|port| port.name.to_string()).zip(feeds.iter().cloned()).collect()
    }
}

fn refuse(why: &str) -> RunError {
    RunError::InvalidArgument(format!("samples for a batch {why}"))
}

/// The rows of each sample, if they can be joined.
fn rows_of(samples: &[Vec<Tensor>]) -> Result<Vec<u32>, RunError> {
    let rows: Option<Vec<u32>> = samples.iter().map(|feeds| rows::rows_of(feeds)).collect();
    let rows = rows.ok_or_else(|| refuse("need inputs with a common first dimension of at least 1"))?;
    if rows.len() < 2 { Err(refuse("need at least two calls")) } else { Ok(rows) }
}

/// Each sample cut to the lengths that `lengths` gives for its place; none of them is longer.
fn cut_all(
    padding: &Padding,
    samples: &[Vec<Tensor>],
    lengths: impl Fn(usize) -> Lengths,
) -> Result<Vec<Vec<Tensor>>, RunError> {
    let cut = samples.iter().enumerate().map(|(at, feeds)| padding.cut_inputs(feeds, &lengths(at)));
    cut.collect::<Option<_>>().ok_or_else(|| refuse("cannot be cut to one length"))
}

fn cut_back(padding: &Padding, samples: &[Vec<Tensor>], parts: &mut [Outputs]) -> Result<(), String> {
    let lengths: Vec<Lengths> = samples.iter().filter_map(|feeds| padding.lengths(feeds)).collect();
    let filled = padding::longest(lengths.iter());
    for (part, lengths) in parts.iter_mut().zip(&lengths) {
        padding.cut_outputs(part, &filled, lengths)?;
    }
    Ok(())
}

fn shortest(lengths: &[Lengths]) -> Lengths {
    let first = lengths.first().cloned().unwrap_or_default();
    lengths.iter().fold(first, |shortest, lengths| shortest.iter().zip(lengths).map(|(a, b)| *a.min(b)).collect())
}

fn compare(singles: &[Outputs], joined: &[Outputs]) -> Result<(), String> {
    for (at, (single, part)) in singles.iter().zip(joined).enumerate() {
        if let Some(name) = first_difference(single, part) {
            return Err(format!("output `{name}` of sample {at} is another one in a joined run"));
        }
    }
    Ok(())
}

/// The first output that is another one in `theirs`, within the tolerances of a trial.
pub(crate) fn first_difference<'a>(ours: &'a Outputs, theirs: &Outputs) -> Option<&'a str> {
    ours.iter().zip(theirs).find(|((_, a), (_, b))| !same(a, b)).map(|((name, _), _)| &**name)
}

fn same(single: &Tensor, joined: &Tensor) -> bool {
    if single.shape() != joined.shape() || single.as_strings() != joined.as_strings() {
        return false;
    }
    let (a, b) = (single.bytes(), joined.bytes());
    match single.element_type() {
        ElementType::F32 => near(a, b, |bytes: [u8; 4]| f32::from_le_bytes(bytes).into(), RELATIVE),
        ElementType::F64 => near(a, b, f64::from_le_bytes, RELATIVE),
        ElementType::F16 => near(a, b, of_f16, 4.0 / 1024.0),
        ElementType::BF16 => near(a, b, of_bf16, 4.0 / 128.0),
        _ => a == b,
    }
}

fn near<const N: usize>(a: &[u8], b: &[u8], number: impl Fn([u8; N]) -> f64, relative: f64) -> bool {
    let close = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= ABSOLUTE + relative * a.abs();
    let (a, _) = a.as_chunks::<N>();
    let (b, _) = b.as_chunks::<N>();
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(number(*a), number(*b)))
}

pub(crate) fn of_bf16(bytes: [u8; 2]) -> f64 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16).into()
}

pub(crate) fn of_f16(bytes: [u8; 2]) -> f64 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlignedBuf, Shape};

    fn tensor(element: ElementType, bytes: &[u8]) -> Tensor {
        let elements = (bytes.len() / element.bytes().unwrap()) as u64;
        Tensor::new(element, Shape::new(&[elements]).unwrap(), AlignedBuf::copy_of(bytes)).unwrap()
    }

    fn f32s(values: &[f32]) -> Tensor {
        tensor(ElementType::F32, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn floats_may_differ_a_little_and_integers_not_at_all() {
        assert!(same(
            &f32s(&[1.0, 100.0, f32::NAN, f32::INFINITY]),
            &f32s(&[1.00009, 99.995, f32::NAN, f32::INFINITY])
        ));
        assert!(!same(&f32s(&[1.0]), &f32s(&[1.0003])));
        assert!(same(&f32s(&[0.0]), &f32s(&[9e-6])) && !same(&f32s(&[0.0]), &f32s(&[2e-5])));
        assert!(!same(&f32s(&[1.0]), &f32s(&[f32::NAN])));
        assert!(!same(&f32s(&[1.0]), &f32s(&[1.0, 1.0])));
        let ints = |bytes: &[u8]| tensor(ElementType::I32, bytes);
        assert!(same(&ints(&[1, 0, 0, 0]), &ints(&[1, 0, 0, 0])));
        assert!(!same(&ints(&[1, 0, 0, 0]), &ints(&[2, 0, 0, 0])));
    }

    #[test]
    fn sixteen_bit_floats_are_read() {
        let bits = |bits: u16| bits.to_le_bytes();
        assert_eq!(of_f16(bits(0x3c00)), 1.0);
        assert_eq!(of_f16(bits(0xc500)), -5.0);
        assert_eq!(of_f16(bits(0x0001)), 2f64.powi(-24));
        assert_eq!(of_f16(bits(0x7c00)), f64::INFINITY);
        assert!(of_f16(bits(0x7e00)).is_nan());
        assert_eq!(of_bf16(bits(0x3f80)), 1.0);
    }
}
