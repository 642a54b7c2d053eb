//! What passes between the server and the process that tries a model.

use std::path::PathBuf;

use modelet_inference::Facts;
use modelet_spec::ModelCard;
use serde::{Deserialize, Serialize};

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
    pub limits: TrialLimits,
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

/// What a trial may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Time on processors, in seconds.
    pub cpu_s: u64,
    /// Bytes of the largest file that it may write.
    pub file_bytes: u64,
    /// ONNX Runtime's arena, in bytes; as in the server, so that the same is folded.
    pub arena_max_bytes: u64,
}

/// What came out: JSON on the process's stdout.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialAnswer {
    /// The model stood its trial.
    Facts(Box<Facts>),
    /// It did not; the text is for whoever pushed it.
    Refused(String),
}
