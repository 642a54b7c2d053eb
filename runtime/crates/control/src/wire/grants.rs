//! Grants, as the admin API reads and writes them.

use modelet_spec::{Digest, ModelName, TenantName, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a model is granted.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// Whether the other tenant's calls may be joined into one run with those of further tenants, where functions on both sides say
    /// `share = "all"`: each of them can tell then, by time, that others call.
    #[serde(default)]
    pub share_batch: bool,
}

/// The right of another tenant to use a model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// The model.
    #[schema(value_type = String)]
    pub model: ModelName,
    /// Who may use it.
    #[schema(value_type = String)]
    pub to: TenantName,
    /// Whether its calls may be joined with other tenants'.
    pub share_batch: bool,
    /// Since when, in milliseconds since 1970.
    pub granted_ms: u64,
}

/// To whom a model is granted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Grants {
    /// By tenant.
    pub grants: Vec<Grant>,
    /// Where the next page begins; left out of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A model that another tenant granted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GrantedModel {
    /// Its owner: a function names it `OWNER/NAME`.
    #[schema(value_type = String)]
    pub owner: TenantName,
    /// Its name.
    #[schema(value_type = String)]
    pub name: ModelName,
    /// Its newest version.
    #[schema(value_type = u32)]
    pub version: Version,
    /// `sha256:…` of that version.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The labels that stand at that version.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Whether calls may be joined with other tenants'.
    pub share_batch: bool,
}
