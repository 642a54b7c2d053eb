//! Joining calls: many callers' rows in one run, and each caller's rows of its answer back.
//!
//! Calls are joined along their first dimension by *natural* batching: a runner that is free takes what waits, so no
//! call waits for others unless its rule says so. Who may share a run is in `sharing.rs`, who goes first in `fair.rs` (on
//! top of `ring.rs`), what makes up one batch in `former.rs`, the copies in `rows.rs`; `batchable.rs` says which models
//! can be joined at all, `padding.rs` how inputs of different lengths are (cut back by `crop.rs`), `trial.rs` tries both, and `crowd.rs` tells a caller when it pays to look for company.
//! The policy and its reasons are in `runtime/docs/decisions/0005-batching.md`.

pub(crate) mod batchable;
mod crop;
pub(crate) mod crowd;
pub(crate) mod fair;
pub(crate) mod former;
pub(crate) mod padding;
mod ring;
pub(crate) mod rows;
pub(crate) mod sharing;
pub(crate) mod size;
mod trial;
#[cfg(test)]
mod victim;

pub use batchable::Batchable;
pub use size::SizesSeen;
pub use trial::BatchTrial;
pub(crate) use trial::{first_difference, of_bf16, of_f16};
