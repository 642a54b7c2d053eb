//! Names, digests, versions, manifests and limits: the words that every other crate speaks.
//!
//! This crate is pure: it reads no file, no clock, no environment and no random source. A value of one of its types is
//! valid by construction, so nobody below the edge checks it again.
//!
//! It is not the place for behaviour: how a function is routed is `modelet-catalog`'s business, how it is kept
//! `modelet-store`'s, how it runs `modelet-engine`'s.
//!
//! Begin with [`manifest`] (what a function's author writes), [`card`] (what a model's does) and [`limits`] (what each
//! party allows). [`document`] is the
//! TOML reader behind the manifest; it reports all faults of a file at once and serves the server's configuration too.

mod at;
mod auth;
pub mod card;
mod claim;
mod device;
mod digest;
pub mod document;
mod error;
mod file_path;
mod flow;
mod invocation;
pub mod limits;
pub mod manifest;
mod model_ref;
mod name;
pub mod outbound;
mod path;
mod secret;
mod size;
pub mod span;
mod text_serde;
mod timestamp;
pub mod traffic;
mod usage;
mod version;
mod weight;

pub use at::At;
pub use auth::Auth;
pub use card::{CardError, ModelCard};
pub use claim::{Claims, HostName, PathPrefix};
pub use device::{Device, DeviceWish};
pub use digest::{Digest, Hasher};
pub use error::{
    ClaimError, DeviceError, DigestError, FilePathError, InvocationIdError, ModelRefError, NameError,
    OutboundRuleError, PathError, SizeError, SpanError, TimestampError, UsedKindError, VersionError,
};
pub use file_path::FilePath;
pub use flow::Flow;
pub use invocation::InvocationId;
pub use limits::{EffectiveLimits, FunctionLimits, ServerLimits, TenantLimits};
pub use model_ref::{ModelRef, Pick};
pub use name::{FunctionName, Label, ModelName, SecretName, TenantName};
pub use path::{PathPattern, Segment};
pub use secret::{SecretError, SecretValue};
pub use size::ByteSize;
pub use timestamp::Timestamp;
pub use traffic::Traffic;
pub use usage::{UsageCounts, Used, UsedKind};
pub use version::Version;
pub use weight::Weight;
