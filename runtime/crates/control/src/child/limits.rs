//! What such a process may take.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which binary is started, and what one process may take.
#[derive(Clone, Debug)]
pub struct ChildConfig {
    /// The binary: this one.
    pub exe: PathBuf,
    /// What the process sets for itself.
    pub limits: ChildLimits,
    /// Wall-clock time of one process.
    pub time: Duration,
}

/// What a process sets for itself, before it reads a byte of what somebody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Time on processors, in seconds.
    pub cpu_s: u64,
    /// Bytes of the largest file that it may write.
    pub file_bytes: u64,
}
