//! Tenants, as the admin API reads and writes them.

use std::collections::BTreeSet;

use modelet_spec::{FunctionName, HostName, ModelName, PathPrefix, TenantLimits, TenantName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A tenant to be made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name; never one of a tenant that was removed.
    #[schema(value_type = String)]
    pub name: TenantName,
    /// Hosts at which its functions may answer, with all paths there: `acme.example`.
    #[schema(value_type = Vec<String>)]
    #[serde(default)]
    pub hosts: BTreeSet<HostName>,
    /// Paths at and below which they may answer at any host: `/acme`.
    #[schema(value_type = Vec<String>)]
    #[serde(default)]
    pub paths: BTreeSet<PathPrefix>,
    /// What it may have, such as `{"concurrency": 8}`; what is not here is as the server has it.
    #[schema(value_type = Object)]
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub limits: serde_json::Map<String, serde_json::Value>,
}

/// A change of what a tenant may claim: what is to go goes first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeClaims {
    /// Hosts to be given.
    #[schema(value_type = Vec<String>)]
    pub add_hosts: BTreeSet<HostName>,
    /// Paths to be given.
    #[schema(value_type = Vec<String>)]
    pub add_paths: BTreeSet<PathPrefix>,
    /// Hosts to be taken back.
    #[schema(value_type = Vec<String>)]
    pub remove_hosts: BTreeSet<HostName>,
    /// Paths to be taken back.
    #[schema(value_type = Vec<String>)]
    pub remove_paths: BTreeSet<PathPrefix>,
}

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its name.
    #[schema(value_type = String)]
    pub name: TenantName,
    /// Hosts at which its functions may answer.
    #[schema(value_type = Vec<String>)]
    pub hosts: BTreeSet<HostName>,
    /// Paths at and below which they may answer at any host.
    #[schema(value_type = Vec<String>)]
    pub paths: BTreeSet<PathPrefix>,
    /// What it may have; what is not here is as the server has it.
    #[schema(value_type = Object)]
    pub limits: TenantLimits,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// What it has. Not in listings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<TenantUse>,
    /// Its ETag, as `if-match` takes it: another after each change of what is said of it. Left out of answers to changes, whose header
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// What a tenant has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct TenantUse {
    /// Functions.
    pub functions: u32,
    /// Models, whatever the number of their versions.
    pub models: u32,
    /// Bytes of models, and of what it has sent for the next ones.
    pub model_bytes: u64,
    /// What that may be: the tenant's limit, or the server's.
    pub model_bytes_max: u64,
    /// Secrets.
    #[serde(default)]
    pub secrets: u32,
    /// Keys that its functions keep.
    pub keyvalue_keys: u64,
    /// Bytes of these keys and their values.
    pub keyvalue_bytes: u64,
    /// Seconds of its guests on a processor today (UTC).
    pub cpu_seconds_today: f64,
    /// Seconds of models' sessions today, for its functions.
    pub inference_seconds_today: f64,
    /// Requests that its functions answer at this moment.
    pub running: u64,
}

/// The tenants that the caller may see.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Tenants {
    /// All for the operator, who asks with an admin key of the tenant `default`; for others the own one.
    pub tenants: Vec<Tenant>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How a tenant is removed.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ForceQuery {
    /// Whether to remove it although it has functions or models: they go with it.
    #[serde(default)]
    pub force: bool,
}

/// What was removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RemovedTenant {
    /// The tenant.
    #[schema(value_type = String)]
    pub name: TenantName,
    /// The functions that went with it.
    #[schema(value_type = Vec<String>)]
    pub functions: Vec<FunctionName>,
    /// The models that went with it.
    #[schema(value_type = Vec<String>)]
    pub models: Vec<ModelName>,
}
