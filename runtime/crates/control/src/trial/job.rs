//! What passes between the server and the process that tries a model.

use std::path::PathBuf;

use modelet_inference::Facts;
use modelet_spec::ModelCard;
use serde::{Deserialize, Serialize};

use crate::child::ChildLimits;
use crate::wire::optimise::{Activations, Compared, OutputDrift, Precision, Weight};

/// What to try, and within which limits: JSON on the process's stdin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialJob {
    /// The model's name, for messages.
    pub name: String,
    /// The file of ONNX Runtime's library.
    pub library: PathBuf,
    /// The model's file.
    pub model: PathBuf,
    /// Where the files with its weights lie, if it has any.
    pub folder: Option<PathBuf>,
    /// Where its optimised form goes.
    pub optimised_to: Option<PathBuf>,
    /// Calls that it has to answer.
    pub samples: Vec<TrialSample>,
    /// What its owner says of it.
    pub card: ModelCard,
    /// What the process sets before it reads a byte of the model.
    pub limits: ChildLimits,
    /// ONNX Runtime's arena, in bytes.
    pub arena_max_bytes: u64,
    /// To make a smaller one of it, instead of trying it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<RewriteJob>,
}

/// What to make of a model, and where the new file goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewriteJob {
    /// To what its weights are made.
    pub precision: Precision,
    /// How the other side of products is made of integers.
    pub activations: Activations,
    /// Nodes to leave as they are.
    pub keep: Vec<String>,
    /// Whether the samples came with the wish; else they are the version's.
    pub has_given: bool,
    /// Where the new file goes: it is there, and empty.
    pub written_to: PathBuf,
}

/// A call that the model has to answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialSample {
    /// Its file, for messages.
    pub name: String,
    /// Its inputs, as the Open Inference Protocol writes them.
    pub json: String,
}

/// What came out: JSON on the process's stdout.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialAnswer {
    /// The model stood its trial.
    Facts(Box<Facts>),
    /// The new file is in its place, and its answers were compared.
    Rewritten(Box<Rewritten>),
    /// It did not stand its trial; the text is for whoever pushed it.
    Refused(String),
    /// It cannot be rewritten as it was asked for, and why.
    NotRewritten(String),
    /// What was asked for is wrong in itself: a sample, mostly.
    BadWish(String),
}

/// A new file, and how far its answers are from the old one's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewritten {
    /// Bytes of the new file.
    pub bytes: u64,
    /// What the answers were compared on.
    pub compared: Compared,
    /// How many calls that was.
    pub calls: u64,
    /// Each output's drift.
    pub outputs: Vec<OutputDrift>,
    /// How many weights were rewritten.
    pub rewritten: u64,
    /// How many stay though they are large.
    pub kept: u64,
    /// The largest of both.
    pub weights: Vec<Weight>,
    /// The new model's rows influence each other and the old one's do not: why.
    pub mixes_now: Option<String>,
}
