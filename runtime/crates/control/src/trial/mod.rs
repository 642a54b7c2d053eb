//! The trial of a model, in a process as `child` starts them.
//!
//! What it is told is in `job.rs`, what it does in `child.rs`, or in `rewrite.rs` and `compare.rs` where a smaller model is
//! made. One at a time (`run.rs`). Its death is a refusal that says why (`death.rs`).

mod child;
mod compare;
mod death;
mod job;
mod rewrite;
mod run;

pub use child::child;
pub use job::{RewriteJob, Rewritten, TrialAnswer, TrialJob, TrialSample};
pub use run::{TrialConfig, Trials};
