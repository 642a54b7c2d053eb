//! The immutable snapshot of what serves: functions, their routes, and the keys that open them.
//!
//! Control builds a [`Catalog`] with a [`CatalogBuilder`] and swaps it in whole; the gateway reads it. A lookup is a pure
//! function of the snapshot: no lock, no I/O, no allocation on the way to an answer. One that differs in one function from the one before
//! shares the rest with it.
//!
//! It does not know how a function runs: `F`, the handle in an [`Entry`], is whatever the caller can run.
//!
//! Begin with [`Catalog::find`]; the rules of precedence stand there, and `matcher` keeps them.

mod arms;
mod builder;
mod catalog;
mod claims;
mod error;
mod gate;
mod host;
mod key;
mod matcher;
mod shared;
mod tally;
mod usage;

pub use arms::{Arms, Draw, Shadow};
pub use builder::{CatalogBuilder, is_reserved};
pub use catalog::{Catalog, Entry, Lookup, Route};
pub use claims::Claimed;
pub use error::CatalogError;
pub use gate::{Gate, Spent};
pub use host::normalise_host;
pub use key::{Bound, KeyHasher, KeyRecord, KeyRing, Keys, LastUse, SECRET_PREFIX, Scope, Secret, Tokens};
pub use tally::{Difference, Tally, Verdict};
pub use usage::{FunctionUse, Opened, Usage};
