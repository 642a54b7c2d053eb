//! Secrets, as the admin API lists them. No type here has a value: one comes as the body of a request, and in no answer.

use modelet_spec::{FunctionName, SecretName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A secret, without its value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Its name: what a manifest's `[config] key = { secret = "NAME" }` says.
    #[schema(value_type = String)]
    pub name: SecretName,
    /// When it was set, in milliseconds since 1970.
    pub set_ms: u64,
    /// The id of the key that set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_by: Option<String>,
    /// Its ETag, as `if-match` takes it: another after each change of what is said of it. Left out of answers to changes, whose header
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A secret that was set, and who has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SetSecret {
    /// The secret.
    pub secret: Secret,
    /// The functions that name it: they have the new value from now on.
    #[schema(value_type = Vec<String>)]
    pub functions: Vec<FunctionName>,
    /// Functions that could not be made anew, as `name: why`: they are as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

/// The secrets of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Secrets {
    /// By name.
    pub secrets: Vec<Secret>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A secret that was removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RemovedSecret {
    /// Its name.
    #[schema(value_type = String)]
    pub name: SecretName,
    /// The functions that name it, and find it no longer.
    #[schema(value_type = Vec<String>)]
    pub functions: Vec<FunctionName>,
}

/// All secrets have another key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Rekeyed {
    /// How many there are, of all tenants.
    pub secrets: u64,
}
