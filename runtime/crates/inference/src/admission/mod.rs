//! Admission: what a model file is, and whether ONNX Runtime may see it. No ONNX Runtime, no files, no recursion without a
//! bound, and memory in proportion to counts that are limited: it can be fuzzed alone.
//!
//! [`admit`] reads the protobuf as borrowed lists (`wire`, `file`, `graph`, `tensor`), counts it as inlined and checks its
//! operators (`calls`, `operators`), its names (`scope`), and what its constants make (`sizes`). Then it finds out whether
//! rows of a batch can touch each other (`rows`). Every limit is in [`AdmissionLimits`]; a refusal names the node.
//!
//! What it cannot see (sizes that depend on inputs, loops that a computed condition ends) is bounded where it happens: the
//! arena, the cap on folded constants, the run limit.

mod calls;
mod file;
mod graph;
mod limits;
mod operators;
mod refused;
mod rows;
mod scope;
mod sizes;
mod tensor;
pub(crate) mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use limits::{AdmissionLimits, ExternalData};
pub use refused::{Refused, RefusedKind};
pub use rows::RowMixing;

/// What was learned of an admitted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// What the file is made of.
    pub outline: Outline,
    /// Whether its batch can be joined of several callers' rows.
    pub row_mixing: RowMixing,
}

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
    pub external_files: Vec<String>,
}

/// Checks a model file before ONNX Runtime sees it. Takes about as long as reading it once.
///
/// # Errors
/// See [`Refused`]: what is wrong, where, and the limit.
pub fn admit(bytes: &[u8], limits: &AdmissionLimits) -> Result<Admission, Refused> {
    let mut reader = graph::Reader::new(limits);
    let file = file::read(bytes, &mut reader)?;
    let inlined = calls::count(&file, limits)?;
    let order = scope::check(&file.graph)?;
    sizes::check(&file.graph, limits)?;
    for function in &file.functions {
        scope::check(&function.body)?;
        sizes::check(&function.body, limits)?;
    }
    let row_mixing = rows::analyse(&file, &order);
    let outline = Outline {
        operators: calls::operators(&file),
        ir_version: file.ir_version,
        producer: file.producer.to_owned(),
        functions: file.functions.len() as u64,
        nodes: inlined.nodes,
        subgraph_depth: inlined.depth,
        initializers: reader.initializers,
        initializer_bytes: reader.initializer_bytes,
        external_files: reader.external_files.into_iter().collect(),
        opsets: file.opsets,
        metadata: file.metadata,
    };
    Ok(Admission { outline, row_mixing })
}
