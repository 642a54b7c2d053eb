//! What a model takes and gives, and the check of a caller's inputs against it before ONNX Runtime sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::admission::Admission;
use crate::element::ElementType;
use crate::error::RunError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A model's public face.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// In the model's order; each is needed for every run.
    pub inputs: Vec<Port>,
    /// In the model's order.
    pub outputs: Vec<Port>,
    /// The author's own keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Operator set version by domain; the empty domain is ONNX's own.
    pub opsets: BTreeMap<String, i64>,
    /// What the check of the file found: its operators and counts, and whether rows of a batch can touch each other.
    #[serde(with = "crate::facts::shared")]
    pub admission: Arc<Admission>,
}

/// One input or output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Port {
    /// As the model names it.
    #[serde(with = "crate::facts::text")]
    pub name: Arc<str>,
    /// The type of its elements.
    pub element_type: ElementType,
    /// `None` where the model does not even say how many dimensions; an empty list is a scalar.
    pub dims: Option<Vec<Dim>>,
}

/// One dimension of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dim {
    /// Always this size.
    Fixed(u64),
    /// Any size; models often name it (`batch`).
    Dynamic(Option<String>),
}

impl Description {
    /// Puts a caller's inputs into the model's order, or says which one does not fit and what would.
    ///
    /// Two things are bridged because `wasi:nn` cannot say them: a scalar given as `[1]`, and booleans given as `u8`.
    pub(crate) fn feeds(&self, mut given: Vec<(String, Tensor)>) -> Result<Vec<Tensor>, RunError> {
        let mut feeds = Vec::with_capacity(self.inputs.len());
        for port in &self.inputs {
            let at = given.iter().position(|(name, _)| **name == *port.name);
            let Some(at) = at else { return Err(self.missing(port)) };
            feeds.push(port.fit(given.swap_remove(at).1)?);
        }
        match given.first() {
            None => Ok(feeds),
            Some((name, _)) => Err(self.unexpected(name)),
        }
    }

    fn missing(&self, port: &Port) -> RunError {
        RunError::InvalidArgument(format!("input `{}` is missing; expected {port}", port.name))
    }

    fn unexpected(&self, name: &str) -> RunError {
        let name: String = name.chars().take(64).collect();
        if self.inputs.iter().any(|port| *port.name == *name) {
            return RunError::InvalidArgument(format!("input `{name}` is given twice"));
        }
        let names: Vec<&str> = self.inputs.iter().map(|port| &*port.name).collect();
        RunError::InvalidArgument(format!("no input `{name}`; the model takes: {}", names.join(", ")))
    }
}

impl Port {
    fn fit(&self, given: Tensor) -> Result<Tensor, RunError> {
        let given = self.fit_type(given)?;
        let Some(dims) = &self.dims else { return Ok(given) };
        if dims.is_empty() && given.shape().dims() == [1] {
            return Ok(given.reshaped(Shape::scalar()));
        }
        let fits = dims.len() == given.shape().rank()
            && dims.iter().zip(given.shape().dims()).all(|(dim, size)| dim.allows(*size));
        if fits { Ok(given) } else { Err(self.unfit(&given)) }
    }

    fn fit_type(&self, given: Tensor) -> Result<Tensor, RunError> {
        match (self.element_type, given.element_type()) {
            (ElementType::Bool, ElementType::U8 | ElementType::Bool) => Ok(given.as_bool()),
            (wanted, got) if wanted == got => Ok(given),
            _ => Err(self.unfit(&given)),
        }
    }

    fn unfit(&self, given: &Tensor) -> RunError {
        let (name, element, shape) = (&self.name, given.element_type(), given.shape());
        RunError::InvalidArgument(format!("input `{name}` is {element} {shape}; expected {self}"))
    }
}

impl Dim {
    fn allows(&self, size: i64) -> bool {
        match self {
            Self::Fixed(fixed) => u64::try_from(size) == Ok(*fixed),
            Self::Dynamic(_) => true,
        }
    }
}

/// The type and shape: `f32 [batch, 64]`, `i64 []`, `string of any shape`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dims {
            None => write!(f, "{} of any shape", self.element_type),
            Some(dims) => {
                let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
                write!(f, "{} [{}]", self.element_type, dims.join(", "))
            }
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Dynamic(Some(symbol)) => f.write_str(symbol),
            Self::Dynamic(None) => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Outline, RowMixing};
    use crate::buffer::AlignedBuf;

    fn port(name: &str, element_type: ElementType, dims: Option<Vec<Dim>>) -> Port {
        Port { name: name.into(), element_type, dims }
    }

    fn tensor(element: ElementType, dims: &[u64]) -> Tensor {
        let shape = Shape::new(dims).unwrap();
        let bytes = AlignedBuf::zeroed(shape.bytes(element).unwrap()).unwrap();
        Tensor::new(element, shape, bytes).unwrap()
    }

    fn describe(inputs: Vec<Port>) -> Description {
        let admission = Arc::new(Admission { outline: Outline::default(), row_mixing: RowMixing::No });
        Description { inputs, outputs: vec![], metadata: BTreeMap::new(), opsets: BTreeMap::new(), admission }
    }

    fn refusal(description: &Description, given: Vec<(&str, Tensor)>) -> String {
        let given = given.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        description.feeds(given).unwrap_err().to_string()
    }

    #[test]
    fn each_refusal_names_the_input_and_what_was_expected() {
        let batch = vec![Dim::Dynamic(Some("batch".into())), Dim::Fixed(64)];
        let model = describe(vec![port("X", ElementType::F32, Some(batch))]);
        let good = || tensor(ElementType::F32, &[1, 64]);
        assert_eq!(refusal(&model, vec![]), "invalid argument: input `X` is missing; expected f32 [batch, 64]");
        assert_eq!(
            refusal(&model, vec![("X", good()), ("Y", good())]),
            "invalid argument: no input `Y`; the model takes: X"
        );
        assert_eq!(refusal(&model, vec![("X", good()), ("X", good())]), "invalid argument: input `X` is given twice");
        assert_eq!(
            refusal(&model, vec![("X", tensor(ElementType::F64, &[1, 64]))]),
            "invalid argument: input `X` is f64 [1, 64]; expected f32 [batch, 64]"
        );
        for dims in [&[64][..], &[1, 63], &[1, 64, 1], &[]] {
            assert!(refusal(&model, vec![("X", tensor(ElementType::F32, dims))]).contains("expected f32 [batch, 64]"));
        }
    }

    #[test]
    fn inputs_are_put_into_the_models_order() {
        let model = describe(vec![port("a", ElementType::I8, None), port("b", ElementType::I16, Some(vec![]))]);
        let given =
            vec![("b".to_owned(), tensor(ElementType::I16, &[1])), ("a".to_owned(), tensor(ElementType::I8, &[3]))];
        let feeds = model.feeds(given).unwrap();
        assert_eq!(format!("{feeds:?}"), "[Tensor(i8 [3]), Tensor(i16 [])]");
    }

    #[test]
    fn bytes_are_taken_for_booleans_and_never_the_other_way_round() {
        let wants_bool = describe(vec![port("b", ElementType::Bool, None)]);
        let feeds = wants_bool.feeds(vec![("b".to_owned(), tensor(ElementType::U8, &[2]))]).unwrap();
        assert_eq!(feeds.first().unwrap().element_type(), ElementType::Bool);
        let wants_bytes = describe(vec![port("b", ElementType::U8, None)]);
        assert!(wants_bytes.feeds(vec![("b".to_owned(), tensor(ElementType::Bool, &[2]))]).is_err());
    }
}
