//! Makes an admitted model smaller or quicker by rewriting its file: weights as 8-bit integers, or as 16-bit floats. No ONNX
//! Runtime, no files: bytes in, bytes out, and what was done.
//!
//! [`optimize`] admits the file, reads it in parts (`read`), finds who uses each weight (`weights`), rewrites what can be
//! (`int8`, `half`, with the arithmetic in `numbers`), and writes all else as it stood (`write`). The new file is admitted in
//! turn. Decision 0014 says what is rewritten how, and what it costs.
//!
//! Subgraphs and the model's own functions are left alone. The same file and options give the same bytes.

mod build;
mod drift;
mod half;
mod int8;
mod names;
mod numbers;
mod read;
mod weights;
mod write;

use crate::admission::wire::{Malformed, Value};
use crate::admission::{self, Admission, AdmissionLimits, Refused};

pub use drift::{Agreement, Answers, Cosine, Drift, OutputDrift};
use read::Model;
use write::Piece;

/// To what the weights are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 8-bit integers: a quarter of the size, and quicker products.
    Int8(Activations),
    /// 16-bit floats: half the size. A CPU computes as before; tables stay small in memory too.
    Fp16,
}

/// How the other side of a product, which is not known before a run, is made of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// With a scale for each row: no row sees another, so callers can be joined; and the error is smaller.
    Rows,
    /// With one scale for all: the form that ONNX Runtime fuses, quicker for one caller; rows influence each other.
    Tensor,
}

/// What to rewrite.
#[derive(Clone, Debug)]
pub struct Options {
    /// To what.
    pub precision: Precision,
    /// Nodes to leave as they are, by their name or their output's.
    pub keep: Vec<String>,
    /// Weights of fewer numbers stay. A rewrite adds up to ten nodes, about a kilobyte, and microseconds to a run.
    pub elements_min: u64,
    /// The largest constant, in bytes, that a load computes once (see `onnx/`): a weight in half whose cast would be larger
    /// would be cast at each run.
    pub folded_bytes_max: u64,
}

impl Options {
    /// The defaults: nothing is kept that can be rewritten, from 1024 numbers on; a load makes constants of 64 KiB.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self { precision, keep: Vec::new(), elements_min: 1024, folded_bytes_max: 64 << 10 }
    }
}

/// A rewritten file.
#[derive(Debug)]
pub struct Optimized {
    /// The new file.
    pub bytes: Vec<u8>,
    /// What admission found of the old one.
    pub before: Admission,
    /// What admission found of the new one. Its rows may mix where the old one's do not.
    pub after: Admission,
    /// The weights that were rewritten, in the order of the file.
    pub rewritten: Vec<Rewritten>,
    /// The weights that stay, in the order of the file; small ones are not named.
    pub kept: Vec<Kept>,
}

/// A weight that was rewritten. Names are the file's, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Its name.
    pub weight: String,
    /// The nodes that use it.
    pub nodes: Vec<String>,
    /// What they do.
    pub op: String,
    /// What it took in the file.
    pub bytes_before: u64,
    /// What it takes now, with its scales.
    pub bytes_after: u64,
}

/// A weight that stays as it is. Names are the file's, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub weight: String,
    /// The node that cannot do otherwise; empty if it is no node's doing.
    pub node: String,
    /// What that node does.
    pub op: String,
    /// What it takes.
    pub bytes: u64,
    /// Why it stays.
    pub why: String,
}

/// Why there is no new file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimizeError {
    /// The file is not admitted.
    #[error("{0}")]
    Refused(Refused),
    /// The new file is not admitted: over a limit that the old one was just below.
    #[error("the rewritten model is over a limit: {0}")]
    TooLarge(Refused),
    /// The operators that are needed are newer than the file.
    #[error("it is written for operator set {has} of ai.onnx; {needs} or later is needed: export it again")]
    Opset {
        /// What the file has; 0 if it imports none.
        has: i64,
        /// What is needed.
        needs: i64,
    },
    /// A node to keep that is not there.
    #[error("there is no node `{0}` to keep; `modelet model show` and Netron list the nodes' names")]
    NoSuchNode(String),
    /// No weight can be rewritten.
    #[error("nothing to rewrite: {0}")]
    Nothing(String),
}

/// Rewrites a model file. Takes about as long as reading it a few times, and the memory of the new file and of the largest
/// weight twice.
///
/// # Errors
/// See [`OptimizeError`].
pub fn optimize(bytes: &[u8], options: &Options, limits: &AdmissionLimits) -> Result<Optimized, OptimizeError> {
    let before = admission::admit(bytes, limits).map_err(OptimizeError::Refused)?;
    let broken = |malformed: Malformed| OptimizeError::Refused(malformed.into());
    let mut model = read::model(bytes).map_err(broken)?;
    check(&model, options)?;
    let rewrite = match options.precision {
        Precision::Int8(activations) => int8::rewrite(&model, options, activations),
        Precision::Fp16 => half::rewrite(&model, options),
    };
    let (build, rewritten, kept) = rewrite.map_err(broken)?;
    if rewritten.is_empty() {
        return Err(OptimizeError::Nothing(nothing(&kept, options)));
    }
    let bytes = written(&mut model, build);
    let after = admission::admit(&bytes, limits).map_err(OptimizeError::TooLarge)?;
    Ok(Optimized { bytes, before, after, rewritten, kept })
}

fn check(model: &Model<'_>, options: &Options) -> Result<(), OptimizeError> {
    let needs = match options.precision {
        // DynamicQuantizeLinear came with 11; the others of the forms are older.
        Precision::Int8(_) => 11,
        // Before, Cast took its type as a text.
        Precision::Fp16 => 6,
    };
    if model.opset < needs {
        return Err(OptimizeError::Opset { has: model.opset, needs });
    }
    let has =
        |name: &String| model.graph.nodes.iter().any(|node| node.name == *name || node.outputs.contains(&&**name));
    match options.keep.iter().find(|name| !has(name)) {
        Some(name) => Err(OptimizeError::NoSuchNode(name.clone())),
        None => Ok(()),
    }
}

/// What to say if nothing could be rewritten: the most frequent reason is the first weight's.
fn nothing(kept: &[Kept], options: &Options) -> String {
    match kept.first() {
        None => format!("it has no weights of 32-bit floats with {} numbers or more", options.elements_min),
        Some(first) => format!("{} of its {} weights: {}", "the first", kept.len(), first.why),
    }
}

/// The new file: all that stays, and the new graph.
fn written<'a>(model: &mut Model<'a>, build: build::Build<'a>) -> Vec<u8> {
    let graph = &mut model.graph;
    if model.ir_version < 4 {
        // Constants had to be inputs too, and new ones are not. From version 4 on they need not, and must not, or callers
        // could replace them.
        graph.inputs.retain(|(name, _)| !graph.constants.iter().any(|constant| constant.name == *name));
        model.ir_version = 4;
    }
    let kept = |fields: &[read::Field<'a>]| fields.iter().map(|field| Piece::Kept(*field)).collect::<Vec<_>>();
    let inputs = graph.inputs.iter().map(|(_, message)| Piece::Kept((11, Value::Bytes(message))));
    let pieces: Vec<Piece<'_>> = kept(&graph.rest).into_iter().chain(inputs).chain(build.done()).collect();
    let version = Piece::Kept((1, Value::Number(model.ir_version.cast_unsigned())));
    let head: Vec<Piece<'_>> = std::iter::once(version).chain(kept(&model.rest)).collect();
    write::file(&head, &pieces)
}
