//! The control plane: deploys functions, takes models, keeps the admin key, and writes the catalogs that the gateway reads.
//!
//! What it is not: no request of a function passes here, and the gateway is never called. All that the two planes share
//! is a catalog, swapped whole.
//!
//! Where to begin: [`Control::open`] and [`Control::load`] at the start of a server; `deploy` is the script from a
//! component to a route that answers; `push` is the one from a model's files to a version; `models` is the way to the models
//! in memory; [`Control::router`] is the admin API, with
//! [`wire`] for what it reads and writes.

mod acting;
mod api;
mod archive;
mod artifact;
mod audit;
mod both;
mod child;
mod clock;
mod code;
mod compile;
mod control;
mod deploy;
mod description;
mod error;
mod export;
mod failed;
mod forms;
mod grants;
mod guest_log;
mod history;
mod import;
mod jwt;
mod keys;
mod lineup;
mod listener;
mod logs;
mod memory;
mod metrics;
mod model_metrics;
mod models;
mod optimise;
mod options;
mod outage;
mod page;
mod pinned;
mod private_file;
mod push;
mod refusals;
mod remove;
mod restore;
mod retire;
mod rollback;
mod sample;
mod scale;
mod scrub;
mod secrets;
mod sweep;
mod switch;
mod tenants;
mod traffic;
mod trial;
mod upload;
mod usage;
mod views;
pub mod wire;

pub use archive::{
    ArchiveBinding, ArchiveFile, ArchiveFunction, ArchiveFunctionVersion, ArchiveGrant, ArchiveManifest, ArchiveModel,
    ArchiveModelVersion, ArchiveSeal, ArchiveSecret, ArchiveTenant, read_manifest,
};
pub use child::{ChildConfig, ChildLimits, Death};
pub use compile::{
    CompileAnswer, CompileConfig, CompileJob, Compiled, ImageAnswer, ImageJob, compile as compile_child,
};
pub use control::{Control, ControlConfig, FunctionCatalog, Parts};
pub use description::{describe, describe_outline};
pub use error::{AskedError, ControlError};
pub use jwt::{FetchJwks, Fetching, JWKS_BYTES_MAX, JwksFrom, JwtIssuer, NoJwks, ScopeRule, TenantRule, check_jwks};
pub use keys::{ADMIN_KEY_FILE, HASH_KEY_FILE, open_hasher};
pub use listener::{Certificate, serve};
pub use models::Inference;
pub use secrets::SECRET_KEY_FILE;
pub use trial::{RewriteJob, Rewritten, TrialAnswer, TrialConfig, TrialJob, TrialSample, Trials, child as trial_child};
