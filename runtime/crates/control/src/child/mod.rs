//! Work that is done in a process of its own: what a hostile file does there, it does not do here.
//!
//! The server starts its own binary again (`run.rs`), tells it by stdin what to do, and reads one line of JSON from its stdout.
//! How the process limits itself first (`limits.rs`) is the binary's business. It has an empty environment, and its death is a
//! value that says why (`death.rs`). Models are tried so, and components compiled.

mod death;
mod limits;
mod run;

pub use death::Death;
pub(crate) use death::meaning;
pub use limits::{ChildConfig, ChildLimits};
pub(crate) use run::{Running, start};
