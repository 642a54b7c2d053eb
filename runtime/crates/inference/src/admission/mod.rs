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
mod external;
mod file;
mod graph;
mod limits;
mod operators;
mod outline;
mod refused;
mod rows;
mod scope;
mod sizes;
mod tensor;
pub(crate) mod wire;

use serde::{Deserialize, Serialize};

pub use limits::{AdmissionLimits, ExternalData};
pub use outline::{ExternalFile, Outline, OutlinePort};
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
    Ok(Admission { outline: outline::of(file, reader, inlined), row_mixing })
}
