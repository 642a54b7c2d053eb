//! What a file is made of, for people and for whoever decides about it.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::calls::{self, Inlined};
use super::file::File;
use super::graph::{Declared, Reader};
use crate::description::Dim;
use crate::element::ElementType;

/// What a file is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Version of the format.
    pub ir_version: i64,
    /// The program that wrote it, as it calls itself.
    pub producer: String,
    /// Operator set versions by domain; the empty domain is ONNX's own.
    pub opsets: BTreeMap<String, i64>,
    /// The author's own keys.
    pub metadata: BTreeMap<String, String>,
    /// How often each operator stands in the file: `MatMul`, `ai.onnx.ml::Scaler`, the model's functions included.
    pub operators: BTreeMap<String, u64>,
    /// Nodes of the graph and its subgraphs, functions inlined.
    pub nodes: u64,
    /// Functions that the model brings along.
    pub functions: u64,
    /// Subgraphs inside each other, functions inlined.
    pub subgraph_depth: u32,
    /// Initializers, those of subgraphs included.
    pub initializers: u64,
    /// Bytes of all initializers together.
    pub initializer_bytes: u64,
    /// Files with weights, below the model's folder; empty unless the limits allow them.
    pub external_files: Vec<ExternalFile>,
    /// What goes in, as declared; what has a constant of the same name is left out, since no caller gives it.
    pub inputs: Vec<OutlinePort>,
    /// What comes out, as declared.
    pub outputs: Vec<OutlinePort>,
}

/// A file with weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalFile {
    /// Where it lies below the model's folder.
    pub path: String,
    /// How long it must be at least.
    pub bytes: u64,
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlinePort {
    /// Its name.
    pub name: String,
    /// `None`: it is no tensor, or its type is not declared.
    pub element_type: Option<ElementType>,
    /// `None` where not even the number of dimensions is declared.
    pub dims: Option<Vec<Dim>>,
}

/// Outlines an admitted file.
pub(super) fn of(file: File<'_>, reader: Reader<'_>, inlined: Inlined) -> Outline {
    let constants: HashSet<&str> = file.graph.initializers.iter().map(|constant| constant.name).collect();
    let inputs = file.graph.inputs.iter().filter(|input| !constants.contains(input.name));
    Outline {
        inputs: inputs.map(port).collect(),
        outputs: file.graph.outputs.iter().map(port).collect(),
        operators: calls::operators(&file),
        ir_version: file.ir_version,
        producer: file.producer.to_owned(),
        functions: file.functions.len() as u64,
        nodes: inlined.nodes,
        subgraph_depth: inlined.depth,
        initializers: reader.initializers,
        initializer_bytes: reader.initializer_bytes,
        external_files: reader.external_files.into_iter().map(|(path, bytes)| ExternalFile { path, bytes }).collect(),
        opsets: file.opsets,
        metadata: file.metadata,
    }
}

fn port(declared: &Declared<'_>) -> OutlinePort {
    let dim = |(size, symbol): (&Option<u64>, &&str)| match size {
        Some(size) => Dim::Fixed(*size),
        None => Dim::Dynamic((!symbol.is_empty()).then(|| (*symbol).to_owned())),
    };
    OutlinePort {
        name: declared.name.to_owned(),
        element_type: declared.element,
        dims: declared.dims.as_ref().map(|dims| dims.iter().zip(&declared.symbols).map(dim).collect()),
    }
}
