//! What the admin API reads and writes, as types: the handlers, the OpenAPI document and the command line share them.

mod archive;
mod audit;
mod grants;
mod history;
mod keys;
mod logs;
mod memory;
mod models;
pub mod optimise;
mod page;
mod secrets;
mod tenants;
mod usage;
mod versions;

use std::collections::BTreeMap;

pub use models::{
    LabelAt, Model, ModelDescription, ModelFile, ModelPort, ModelVersions, Models, PushFiles, PushQuery, RemoveQuery,
    Removed, VersionQuery,
};

use modelet_spec::manifest::{Manifest, Reuse};
use modelet_spec::{Auth, Digest, FunctionName, ModelName, ModelRef, TenantName, Version};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

pub use archive::{ImportQuery, Imported, ImportedItem};
pub use audit::{Audit, AuditQuery, AuditVerified, AuditVerifyQuery, Audited, AuditedBy, AuditedKind};
pub use grants::{Grant, GrantedModel, Grants, NewGrant};
pub use history::{Changed, ListQuery, Restore, Restored};
pub use keys::{Key, KeyWithSecret, Keys, NewKey, Rotate};
pub use logs::{LogLine, LogPage, LogQuery};
pub use memory::{Memory, MemoryQuery};
pub use page::{PageAtQuery, PageOfAllQuery, PageQuery};
pub use secrets::{Rekeyed, RemovedSecret, Secret, Secrets, SetSecret};
pub use tenants::{ChangeClaims, ForceQuery, NewTenant, RemovedTenant, Tenant, TenantUse, Tenants};
pub use usage::{UsageBy, UsageQuery, UsageReport, UsageRow};
pub use versions::{
    FunctionVersion, FunctionVersions, RemoveFunctionQuery, RemovedFunction, Rollback, ShadowDifference, ShadowReport,
    Traffic, TrafficPart, TrafficReport,
};

/// Whose things are meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TenantQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
}

/// Bytes that were stored, by their content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blob {
    /// `sha256:…` of the bytes.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// How many.
    pub bytes: u64,
}

/// A deploy: a component and its manifest, and the models that come with it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The tenant; `default` when left out.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// `function.toml`, as JSON.
    #[schema(value_type = Object)]
    pub manifest: Manifest,
    /// The component's bytes, pushed before by `POST /v1/blobs`.
    #[schema(value_type = String)]
    pub component: Digest,
    /// For each alias of the manifest's `[models]` that is a file: its bytes. A reference here replaces the manifest's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, GivenModel>,
    /// For each `body_file` of the manifest's `[[case]]`s: its bytes, pushed as a blob.
    #[schema(value_type = BTreeMap<String, String>)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest>,
    /// Whether the new version may have capabilities that the one before had not.
    #[serde(default)]
    pub allow_new_capabilities: bool,
}

/// A model given with a deploy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a model reference such as \"magika@1\", {\"blob\": \"sha256:…\"}, or {\"files\": {…}}"
)]
pub enum GivenModel {
    /// A model that was pushed before: `NAME[@VERSION|@LABEL]`.
    Ref(ModelRef),
    /// A file, pushed as a blob; it becomes a version of the model that is named like the alias.
    Blob {
        /// The file's digest.
        blob: Digest,
    },
    /// Several files, or one with a card; likewise.
    Files(Box<PushFiles>),
}

impl PartialSchema for GivenModel {
    /// By hand: the macro cannot say of an unnamed field that it travels as a string.
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let reference = text().description(Some("A model that was pushed before: NAME[@VERSION|@LABEL]"));
        let blob = ObjectBuilder::new().property("blob", text()).required("blob").description(Some("A pushed blob"));
        let files = PushFiles::schema();
        OneOfBuilder::new().item(reference).item(blob).item(files).into()
    }
}

impl ToSchema for GivenModel {}

/// A deployed version of a function.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Function {
    /// Its owner.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// Its name.
    #[schema(value_type = String)]
    pub name: FunctionName,
    /// Its version: 1, 2, 3 …
    #[schema(value_type = u32)]
    pub version: Version,
    /// `sha256:…` of the component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Whether the data plane serves it. False for a function that could not be loaded when the server started, and for a new
    /// version that nobody can reach yet.
    pub serving: bool,
    /// Whether it is live: its routes are the function's.
    pub live: bool,
    /// Its part of the function's requests.
    pub percent: u8,
    /// How the function's requests are shared out; absent: the live version has all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Where it answers.
    pub routes: Vec<Route>,
    /// The models it may load.
    pub models: Vec<BoundModel>,
    /// The limits it runs under: the minimum of the server's, the tenant's and its own.
    pub limits: Limits,
    /// `instance`: its sandboxes are kept for further requests; `request`: each request gets a fresh one.
    #[schema(value_type = String)]
    pub reuse: Reuse,
    /// What it is built for, such as `wasi:http/proxy@0.2`; known since it was first in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Its live sandboxes at this moment.
    pub instances: Instances,
    /// What its owner should know: where it does not live as its manifest says, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What became of the component's `init`; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// How long its component took to compile. Only in the answer to a deploy, and absent there when the same bytes had been
    /// compiled before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile: Option<Compile>,
    /// The function's ETag, as `if-match` takes it: another after each change of what is said of it. Left out of answers to changes, whose header
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A warm-start image: what a component's `init` left in memory, with which its instances begin.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// Whether there is one; why there is none is among the notes.
    pub made: bool,
    /// How long a request to a new instance took without it when it was made, in microseconds; absent when the guest did not
    /// answer the one that was made up for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_us: Option<u64>,
    /// The same with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_us: Option<u64>,
}

/// How long a compilation took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Compile {
    /// Since its turn came, in milliseconds.
    pub ms: u64,
    /// On processors, in milliseconds.
    pub cpu_ms: u64,
}

/// How many sandboxes of a function are kept warm.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// So many, whether or not anybody calls; 0: none, and the function leaves memory when nobody calls.
    pub min: u32,
}

/// All functions that the caller may see.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Functions {
    /// One entry per function: the version that serves.
    pub functions: Vec<Function>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a function answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// The host, when the route is for one host only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path pattern.
    pub path: String,
    /// The methods; empty is all.
    pub methods: Vec<String>,
    /// `key` or `none`.
    #[schema(value_type = String)]
    pub auth: Auth,
}

/// A model as a function sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BoundModel {
    /// The name that the function uses.
    pub alias: String,
    /// The tenant that granted it; absent for the function's own.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<TenantName>,
    /// The model's name.
    #[schema(value_type = String)]
    pub name: ModelName,
    /// Its version, fixed at the deploy.
    #[schema(value_type = u32)]
    pub version: Version,
    /// `sha256:…` of its bytes.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// What a function may use at most. Sizes in bytes, times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes: u64,
    /// Wall-clock time of one request.
    pub time_ms: u64,
    /// CPU time of one request.
    pub cpu_ms: u64,
    /// A request's body.
    pub request_body_bytes: u64,
    /// An answer's body.
    pub response_body_bytes: u64,
    /// Requests at the same time.
    pub concurrency: u32,
    /// Requests that wait for their turn.
    pub queue: u32,
}

/// The live sandboxes of a function.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Instances {
    /// Answering a request.
    pub busy: u64,
    /// Warm and waiting.
    pub idle: u64,
    /// Kept warm whether or not anybody calls.
    pub kept: u64,
    /// How far up the function is: `disk`, `component` (in memory, without a sandbox), `warm` or `busy`; empty when it does
    /// not serve.
    pub warmth: String,
}

/// The server: what it is and where it listens.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Modelet's version.
    pub version: String,
    /// Where functions are served.
    pub data_url: String,
    /// The WebAssembly engine: its version and settings.
    pub engine: String,
}

/// Whether the server can do its work.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// What is missing, each with its fix. Empty when ready.
    pub missing: Vec<String>,
    /// Functions that do not serve as they are stored, each with why; the others do. One of another tenant than `default` is `TENANT/NAME`.
    pub failed: Vec<String>,
    /// Functions that serve, while the component on the disk that their code was made of is damaged or missing: deploy the same bytes
    /// again. They are looked for after the start.
    #[serde(default)]
    pub damaged: Vec<String>,
}

/// An error, as RFC 9457 has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: `code` says more than a page could.
    #[serde(rename = "type")]
    pub kind: String,
    /// The phrase of the status.
    pub title: String,
    /// The status code again.
    pub status: u16,
    /// A stable name for programs.
    pub code: String,
    /// What happened here, and what to do.
    pub detail: String,
    /// The invocation, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
}
