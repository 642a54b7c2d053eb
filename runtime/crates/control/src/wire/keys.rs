//! Keys, as the admin API reads and writes them. A secret is in the answer that makes it, and in no other.

use std::collections::BTreeSet;
use std::time::Duration;

use modelet_spec::{FunctionName, ModelName, TenantName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key to be made.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The tenant; the caller's own when left out.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// What it may do: `admin`, `deploy`, `invoke`, `read`.
    pub scopes: Vec<String>,
    /// Functions that it is bound to. With these or models, it reaches nothing else.
    #[schema(value_type = Vec<String>)]
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub functions: BTreeSet<FunctionName>,
    /// Models that it is bound to.
    #[schema(value_type = Vec<String>)]
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub models: BTreeSet<ModelName>,
    /// How long it holds, such as `30d`; for ever when left out.
    #[schema(value_type = Option<String>)]
    #[serde(default, with = "modelet_spec::span::option", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
}

/// How a key gets another secret.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// How long the secret before holds beside the new one, such as `1h`; no longer when left out.
    #[schema(value_type = Option<String>)]
    #[serde(default, with = "modelet_spec::span::option", skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Duration>,
}

/// A key. Times in milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// What it is called, also in `modelet-caller` and in logs.
    pub id: String,
    /// Whose it is.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Functions that it is bound to.
    #[schema(value_type = Vec<String>)]
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub functions: BTreeSet<FunctionName>,
    /// Models that it is bound to.
    #[schema(value_type = Vec<String>)]
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub models: BTreeSet<ModelName>,
    /// When it was made.
    pub created_ms: u64,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// Whether that has been.
    #[serde(default)]
    pub is_expired: bool,
    /// How long the secret before holds beside the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until_ms: Option<u64>,
    /// When it was last used, to the second; a restart may forget the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use_ms: Option<u64>,
    /// Its ETag, as `if-match` takes it: another after each change of what is said of it. Left out of answers to changes, whose header
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// A key with its new secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyWithSecret {
    /// The secret: shown now and never again. Sent as `Authorization: Bearer SECRET`.
    pub secret: String,
    /// The key.
    pub key: Key,
}

/// The keys of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// By id.
    pub keys: Vec<Key>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
