//! A model's inputs and outputs in the words of the API.

use modelet_inference::admission::{Outline, OutlinePort};
use modelet_inference::{Description, Dim, ElementType, Port};

use crate::wire::{ModelDescription, ModelPort};

/// What a model takes and gives, as the API writes it.
#[must_use]
pub fn describe(description: &Description) -> ModelDescription {
    ModelDescription {
        inputs: description.inputs.iter().map(port).collect(),
        outputs: description.outputs.iter().map(port).collect(),
        opsets: description.opsets.clone(),
    }
}

/// The same of a file that no ONNX Runtime has seen: as the file declares it.
#[must_use]
pub fn describe_outline(outline: &Outline) -> ModelDescription {
    let declared = |port: &OutlinePort| ModelPort {
        name: port.name.clone(),
        element_type: port.element_type.map_or("not a tensor", ElementType::name).to_owned(),
        shape: port.dims.as_ref().map(|dims| dims.iter().map(dim).collect()),
    };
    ModelDescription {
        inputs: outline.inputs.iter().map(declared).collect(),
        outputs: outline.outputs.iter().map(declared).collect(),
        opsets: outline.opsets.clone(),
    }
}

fn port(port: &Port) -> ModelPort {
    ModelPort {
        name: port.name.to_string(),
        element_type: port.element_type.name().to_owned(),
        shape: port.dims.as_ref().map(|dims| dims.iter().map(dim).collect()),
    }
}

fn dim(dim: &Dim) -> String {
    match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Dynamic(Some(name)) if !name.is_empty() => name.clone(),
        Dim::Dynamic(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_written_with_the_names_of_its_varying_dimensions() {
        let dims = vec![Dim::Dynamic(Some("batch".into())), Dim::Dynamic(None), Dim::Fixed(3)];
        let written = port(&Port { name: "x".into(), element_type: ElementType::F32, dims: Some(dims) });
        assert_eq!(written.shape.unwrap(), ["batch", "?", "3"]);
        assert_eq!(port(&Port { name: "x".into(), element_type: ElementType::F32, dims: None }).shape, None);
    }
}
