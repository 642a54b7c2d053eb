//! Which models are in memory: one copy of each content on each device, within a budget of bytes, for as long as somebody
//! uses it.
//!
//! Whoever computes holds a [`ModelHandle`], never a model. [`ModelHandle::get`] is the way to the model: without a lock
//! while it is in memory (`handle.rs`), else by one load for all who wait (`flight.rs`, `loading.rs`). Room for a load is
//! made by letting go of what is worth least (`worth.rs`, `room.rs`); what is taken is written in a ledger for each device
//! (`ledger.rs`) until it is really gone; which device that is, `place.rs` says at each load. What one handle's owner may know of its model is in `seen.rs`, and what it is to pay for in `account.rs`.
//!
//! Invariants: a model is let go only when nobody but the slot holds it, so never under a run or a call that waits. There is
//! one lock, for the slow path; nothing blocks under it.

mod account;
mod config;
mod flight;
mod handle;
mod jobs;
mod key;
mod ledger;
mod loading;
mod metrics;
mod place;
#[expect(clippy::module_inception, reason = "the file of the type that the folder is named after")]
mod residency;
mod room;
mod seen;
mod slot;
mod sweep;
mod worth;

pub use account::{ModelAccount, ModelTotals};
pub use config::ResidencyConfig;
pub use flight::{LoadContext, Loader};
pub use handle::{InUse, ModelHandle};
pub use key::ModelKey;
pub(crate) use ledger::Charge;
#[cfg(test)]
pub(crate) use ledger::Ledger;
pub use residency::{DeviceStats, Residency, ResidencyStats};
pub use seen::ModelUse;
pub use slot::Unload;
