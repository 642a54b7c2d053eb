//! What passes between the server and the process that compiles a component.

use std::path::PathBuf;
use std::time::Duration;

use modelet_spec::Digest;
use serde::{Deserialize, Serialize};

use crate::child::ChildLimits;

/// What to compile, and within which limits: JSON on the process's stdin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompileJob {
    /// The component's file.
    pub component: PathBuf,
    /// What its bytes must be.
    pub digest: Digest,
    /// The id of the engine that the code is for.
    pub engine: String,
    /// Where the code goes: the file is there, and empty.
    pub code_to: PathBuf,
    /// What the process sets before it reads a byte of the component.
    pub limits: ChildLimits,
    /// To run the component's `init`, and compile what that leaves, too.
    pub image: Option<ImageJob>,
}

/// What an `init` may take, and where the second code goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageJob {
    /// Where the code of the component with its image goes: the file is there, and empty.
    pub code_to: PathBuf,
    /// Its linear memories, in bytes.
    pub memory_bytes: u64,
    /// Elements of its tables.
    pub table_elements: u64,
    /// The component with its image, in bytes.
    pub component_bytes: u64,
    /// Time on a processor that `init` may take.
    pub cpu: Duration,
}

/// What came out: JSON on the process's stdout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompileAnswer {
    /// The code is in its place.
    Compiled(Compiled),
    /// The compiler refused the component; the text is for whoever sent it.
    Refused(String),
    /// There was not enough memory.
    NoMemory,
    /// There was no room on the disk for the code.
    NoRoom,
    /// The process could not do its work; the text is for the operator.
    Failed(String),
}

/// Code that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiled {
    /// Time on processors that all of it took.
    pub cpu: Duration,
    /// What became of `init`, if it was to be run.
    pub image: Option<ImageAnswer>,
}

/// What became of an `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageAnswer {
    /// The code with its image is in its place.
    Made,
    /// There is none, and why.
    None(String),
}
