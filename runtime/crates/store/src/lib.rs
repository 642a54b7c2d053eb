//! Where artifacts and desired state live: one data directory of one server.
//!
//! Bytes (components, models) are files named by their digest; what should serve is in SQLite beside them. Every change
//! is one transaction with a row in `event`, made by somebody ([`Store::by`]) and chained to the row before; `history` says what stood at any
//! moment of the last weeks. All calls block: call them from a thread that may.
//!
//! It does not know what a manifest, a model's description or compiled code mean: to it they are text and bytes. It keeps
//! no secret that it could tell: of keys it has hashes, and what functions are given is sealed.
//!
//! A content is one file, whoever sends it; a tenant may name what it has sent itself, and is counted in full for it.
//!
//! Begin with [`Store::open`]; `db/schema/` is the picture of the metadata.

mod actor;
mod blobs;
mod chain;
mod changes;
mod collect;
mod compiled;
mod data_dir;
mod db;
mod error;
mod events;
mod export;
mod files;
mod folders;
mod functions;
mod grants;
mod history;
mod import;
mod intent;
mod keys;
mod keyvalue;
mod models;
mod optimised;
mod output;
mod pins;
mod requests;
mod scale;
mod secrets;
mod staging;
mod store;
mod tenants;
mod things;
mod uploads;
mod usage;
mod verify;

pub use actor::Actor;
pub use blobs::Dedupe;
pub use chain::{Anchor, ChainFault, ChainVerified, LostKey};
pub use changes::Changes;
pub use collect::Collected;
pub use compiled::CompiledRecord;
pub use error::StoreError;
pub use events::{AuditQuery, Event};
pub use export::Exported;
pub use functions::{
    FunctionVersion, ModelBinding, NewFunctionVersion, NewModelBinding, NewServing, RemovedFunction, Serving,
};
pub use grants::Grant;
pub use history::{Change, Moment, Restored};
pub use import::{Import, ImportSealer, ImportedTenant};
pub use intent::{Expected, Intent, Revisions};
pub use keys::{HashKind, StoredKey, StoredSecret};
pub use keyvalue::{Bucket, KeyPage, KeyValueError, KeyValueLimits, KeyValueUse};
pub use models::{FileEntry, FileRole, ModelVersion, NewModelVersion, Removal, RoleError, content_digest};
pub use optimised::OptimisedRecord;
pub use output::OutputFile;
pub use pins::Pin;
pub use requests::{DoneRequest, KeptAnswer, Once, REQUESTS_KEPT, REQUESTS_MAX, RequestName};
pub use secrets::{Seal, StoredSealed};
pub use staging::{Reserved, Staged};
pub use store::Store;
pub use tenants::{Tenant, TenantRemoval, TenantUse};
pub use things::{Revision, Thing};
pub use uploads::Upload;
pub use usage::{USAGE_DAYS_KEPT, USAGE_HOURS_KEPT, UsagePage, UsagePlace, UsageQuery, UsageRow, UsageSpan};
pub use verify::Verified;
