//! A model's inputs and outputs as ONNX Runtime reports them, in our own words.

use super::ffi::{PortKind, RawPort};
use crate::description::{Dim, Port};
use crate::element::ElementType;
use crate::error::LoadError;

/// The ports of one side, `input` or `output`; one that is no tensor is refused.
pub(super) fn ports(side: &str, raw: Vec<RawPort>) -> Result<Vec<Port>, LoadError> {
    raw.into_iter().map(|raw| port(side, &raw)).collect()
}

fn port(side: &str, raw: &RawPort) -> Result<Port, LoadError> {
    let name = raw.name.to_string_lossy();
    match &raw.kind {
        PortKind::Tensor { element, dims } => {
            let element_type = ElementType::from_onnx(*element).ok_or_else(|| {
                LoadError::Unsupported(format!("{side} `{name}` has elements of ONNX type {element}, unknown here"))
            })?;
            let dims = dims.as_ref().map(|dims| dims.iter().map(dim).collect());
            Ok(Port { name: name.into(), element_type, dims })
        }
        PortKind::Other(kind) => {
            let kind = match kind {
                2 => "a sequence",
                3 => "a map (for scikit-learn models: export with `zipmap=False`)",
                5 => "a sparse tensor",
                6 => "an optional value",
                _ => "not a tensor",
            };
            Err(LoadError::Unsupported(format!("{side} `{name}` is {kind}; only tensors can be passed")))
        }
    }
}

fn dim((size, symbol): &(i64, String)) -> Dim {
    match u64::try_from(*size) {
        Ok(size) => Dim::Fixed(size),
        Err(_) => Dim::Dynamic((!symbol.is_empty()).then(|| symbol.clone())),
    }
}
