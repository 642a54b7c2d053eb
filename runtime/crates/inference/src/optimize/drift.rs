//! How far a rewritten model's answers are from the old one's.

use std::sync::Arc;

use crate::batch::{of_bf16, of_f16};
use crate::element::ElementType;
use crate::tensor::Tensor;

/// A run's outputs by name, in the model's order.
pub type Answers = [(Arc<str>, Tensor)];

/// What has been compared so far.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    outputs: Vec<OutputDrift>,
}

/// One output, over all that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputDrift {
    /// Its name.
    pub name: String,
    /// Rows compared: of the first dimension where there are two or more, else whole answers.
    pub rows: u64,
    /// Of floats: how alike their directions are.
    pub cosine: Option<Cosine>,
    /// Of floats: the largest difference of two numbers.
    pub difference_max: Option<f64>,
    /// Of numbers that look like probabilities of classes: how often the most probable class is the same. Of all that are no
    /// floats: how often they are the same.
    pub agreement: Option<Agreement>,
}

/// The cosines of rows. 1 is the same direction; a row that is not finite on either side counts as 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    /// Of the worst row.
    pub min: f64,
    /// Of all.
    pub mean: f64,
}

/// How often something was the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// How often.
    pub same: u64,
    /// Out of how many.
    pub of: u64,
}

/// What sums of probabilities may be beside 1: those of 16 bits add up badly.
const SUM_ERROR: f64 = 0.01;

impl Drift {
    /// Adds the answers to one call.
    ///
    /// # Errors
    /// The new answers have other names, types or shapes; the text says which.
    pub fn add(&mut self, before: &Answers, after: &Answers) -> Result<(), String> {
        if before.len() != after.len() {
            return Err(format!("{} outputs instead of {}", after.len(), before.len()));
        }
        for (at, ((name, old), (new_name, new))) in before.iter().zip(after).enumerate() {
            let alike = name == new_name
                && old.element_type() == new.element_type()
                && old.shape().dims() == new.shape().dims();
            if !alike {
                let (element, shape) = (new.element_type(), new.shape());
                return Err(format!(
                    "output `{name}` is {element} {shape} instead of {} {}",
                    old.element_type(),
                    old.shape()
                ));
            }
            if self.outputs.len() <= at {
                let fresh = OutputDrift {
                    name: name.to_string(),
                    rows: 0,
                    cosine: None,
                    difference_max: None,
                    agreement: None,
                };
                self.outputs.push(fresh);
            }
            if let Some(output) = self.outputs.get_mut(at) {
                output.add(old, new);
            }
        }
        Ok(())
    }

    /// Each output, in the model's order.
    #[must_use]
    pub fn outputs(&self) -> &[OutputDrift] {
        &self.outputs
    }

    /// The worst cosine of all outputs, with the output's name; `None` where there are no floats.
    #[must_use]
    pub fn worst(&self) -> Option<(&str, f64)> {
        let cosines = self.outputs.iter().filter_map(|output| Some((&*output.name, output.cosine?.min)));
        cosines.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl OutputDrift {
    fn add(&mut self, old: &Tensor, new: &Tensor) {
        let dims = old.shape().dims();
        let rows = match dims {
            [rows, _, ..] => usize::try_from(*rows).unwrap_or(0),
            _ => 1,
        };
        let before = self.rows;
        self.rows += rows as u64;
        let (Some(a), Some(b)) = (floats(old), floats(new)) else {
            let (same, of) = equal(old, new);
            self.agree(same, of);
            return;
        };
        let differences = a.iter().zip(&b).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() });
        // A difference to what is not a number is as large as can be.
        let largest = differences.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max);
        self.difference_max = Some(self.difference_max.unwrap_or(0.0).max(largest));
        let width = (a.len() / rows.max(1)).max(1);
        for (at, (a, b)) in a.chunks(width).zip(b.chunks(width)).enumerate() {
            self.direct(cosine(a, b), before + at as u64);
        }
        let classes = dims.get(1..).and_then(<[i64]>::last).map_or(0, |last| usize::try_from(*last).unwrap_or(0));
        if classes > 1 && a.chunks(classes).all(is_probable) {
            let same = a.chunks(classes).zip(b.chunks(classes)).filter(|(a, b)| first(a) == first(b)).count();
            self.agree(same as u64, (a.len() / classes) as u64);
        }
    }

    /// Adds a row's cosine to those of `before` rows.
    fn direct(&mut self, cosine: f64, before: u64) {
        let known = self.cosine.unwrap_or(Cosine { min: cosine, mean: 0.0 });
        let mean = known.mean + (cosine - known.mean) / (before + 1) as f64;
        self.cosine = Some(Cosine { min: known.min.min(cosine), mean });
    }

    fn agree(&mut self, same: u64, of: u64) {
        let agreement = self.agreement.get_or_insert_default();
        agreement.same += same;
        agreement.of += of;
    }
}

/// The numbers of a tensor of floats.
fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    let bytes = tensor.bytes();
    Some(match tensor.element_type() {
        ElementType::F32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
        ElementType::F64 => bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        ElementType::F16 => bytes.as_chunks().0.iter().map(|bytes| of_f16(*bytes)).collect(),
        ElementType::BF16 => bytes.as_chunks().0.iter().map(|bytes| of_bf16(*bytes)).collect(),
        _ => return None,
    })
}

/// How many elements are the same, of how many.
fn equal(old: &Tensor, new: &Tensor) -> (u64, u64) {
    if let (Some(old), Some(new)) = (old.as_strings(), new.as_strings()) {
        let same = old.iter().zip(new).filter(|(old, new)| old == new).count();
        return (same as u64, old.len() as u64);
    }
    let Some(width) = old.element_type().bytes() else {
        return (u64::from(old.bytes() == new.bytes()), 1);
    };
    let pairs = || old.bytes().chunks(width).zip(new.bytes().chunks(width));
    (pairs().filter(|(old, new)| old == new).count() as u64, pairs().count() as u64)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (aa, bb) = (dot(a, a), dot(b, b));
    if aa == 0.0 && bb == 0.0 {
        return 1.0;
    }
    let cosine = dot(a, b) / (aa.sqrt() * bb.sqrt());
    if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 }
}

/// Whether these are the probabilities of classes.
fn is_probable(classes: &[f64]) -> bool {
    classes.iter().all(|class| (0.0..=1.0 + SUM_ERROR).contains(class))
        && (classes.iter().sum::<f64>() - 1.0).abs() <= SUM_ERROR
}

/// The most probable class.
fn first(classes: &[f64]) -> Option<usize> {
    classes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlignedBuf, Shape};

    fn tensor(element: ElementType, dims: &[u64], bytes: &[u8]) -> Tensor {
        Tensor::new(element, Shape::new(dims).unwrap(), AlignedBuf::copy_of(bytes)).unwrap()
    }

    fn floats(dims: &[u64], values: &[f32]) -> Tensor {
        tensor(ElementType::F32, dims, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    fn compared(pairs: &[(Tensor, Tensor)]) -> OutputDrift {
        let mut drift = Drift::default();
        for (old, new) in pairs {
            drift.add(&[("y".into(), old.clone())], &[("y".into(), new.clone())]).unwrap();
        }
        drift.outputs()[0].clone()
    }

    #[test]
    fn rows_are_compared_one_by_one() {
        let (old, new) = (floats(&[2, 2], &[1.0, 0.0, 3.0, 4.0]), floats(&[2, 2], &[1.0, 1.0, 3.0, 4.0]));
        let drift = compared(&[(old.clone(), new), (old.clone(), old)]);
        assert_eq!((drift.rows, drift.difference_max, drift.agreement), (4, Some(1.0), None));
        let Cosine { min, mean } = drift.cosine.unwrap();
        assert!((min - 0.5f64.sqrt()).abs() < 1e-12, "{min}");
        assert!((mean - (3.0 + 0.5f64.sqrt()) / 4.0).abs() < 1e-12, "{mean}");
    }

    #[test]
    fn what_is_not_finite_is_as_far_as_can_be() {
        let good = floats(&[3], &[1.0, 2.0, 3.0]);
        for bad in [f32::NAN, f32::INFINITY] {
            let drift = compared(&[(good.clone(), floats(&[3], &[1.0, bad, 3.0]))]);
            assert_eq!(drift.cosine.unwrap().min, 0.0, "{bad}");
            assert_eq!(drift.difference_max, Some(f64::INFINITY), "{bad}");
        }
        let zeros = floats(&[3], &[0.0; 3]);
        assert_eq!(compared(&[(zeros.clone(), zeros.clone())]).cosine.unwrap().min, 1.0);
        assert_eq!(compared(&[(good, zeros)]).cosine.unwrap().min, 0.0);
    }

    #[test]
    fn classes_agree_where_the_first_is_the_same() {
        let old = floats(&[2, 3], &[0.7, 0.2, 0.1, 0.4, 0.35, 0.25]);
        let new = floats(&[2, 3], &[0.5, 0.3, 0.2, 0.35, 0.4, 0.25]);
        assert_eq!(compared(&[(old.clone(), new)]).agreement, Some(Agreement { same: 1, of: 2 }));
        // An embedding has no first class.
        assert_eq!(compared(&[(floats(&[1, 2], &[0.6, 0.8]), floats(&[1, 2], &[0.8, 0.6]))]).agreement, None);
    }

    #[test]
    fn integers_and_texts_are_the_same_or_not() {
        let ints = |values: [u8; 2]| tensor(ElementType::U8, &[2], &values);
        let drift = compared(&[(ints([1, 2]), ints([1, 3]))]);
        assert_eq!((drift.agreement, drift.cosine), (Some(Agreement { same: 1, of: 2 }), None));
        let texts = |text: &str| Tensor::strings(Shape::new(&[1]).unwrap(), vec![text.to_owned()]).unwrap();
        assert_eq!(compared(&[(texts("a"), texts("b"))]).agreement, Some(Agreement { same: 0, of: 1 }));
    }

    #[test]
    fn answers_of_another_shape_cannot_be_compared() {
        let mut drift = Drift::default();
        let named = |name: &str, tensor: &Tensor| [(Arc::<str>::from(name), tensor.clone())];
        let (one, two) = (floats(&[1], &[1.0]), floats(&[2], &[1.0, 2.0]));
        let why = drift.add(&named("y", &one), &named("y", &two)).unwrap_err();
        assert!(why.contains("output `y` is f32 [2] instead of f32 [1]"), "{why}");
        assert!(drift.add(&named("y", &one), &named("z", &one)).is_err());
        assert!(drift.add(&named("y", &one), &[]).is_err());
        assert_eq!(drift.worst(), None);
    }

    #[test]
    fn sixteen_bits_are_floats_too() {
        let half = |bits: [u16; 2]| {
            tensor(ElementType::F16, &[2], &bits.iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<_>>())
        };
        assert_eq!(compared(&[(half([0x3c00, 0]), half([0x4000, 0]))]).difference_max, Some(1.0));
    }
}
