//! The trial of a model in a process of its own: what a hostile file does there, it does not do here.
//!
//! The server starts its own binary again (`run.rs`), tells it by stdin what to try (`job.rs`), and reads one line of JSON from
//! its stdout. What the process does with it is in `child.rs`, or in `rewrite.rs` and `compare.rs` where a smaller model is made; how it limits itself first is the binary's business. One at a time,
//! at low priority, with an empty environment. Its death is a refusal that says why (`death.rs`).

mod child;
mod compare;
mod death;
mod job;
mod rewrite;
mod run;

pub use child::child;
pub use job::{RewriteJob, Rewritten, TrialAnswer, TrialJob, TrialLimits, TrialSample};
pub use run::{TrialConfig, Trials};
