//! Models in memory, as the admin API tells and is told.

use modelet_spec::{Device, Pick, TenantName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which version of a model is meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MemoryQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// Its number or a label; the newest when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Pick>,
    /// To unload: whether also what is pinned.
    #[serde(default)]
    pub force: bool,
}

/// A version of a model in memory, as far as its owner's own calls go. Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    /// Whether it is there.
    pub resident: bool,
    /// The device of its last use, such as `cpu` or `cuda:0`: it is in that one's memory, on that one's account.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Bytes that it takes there.
    pub resident_bytes: u64,
    /// Sessions that it has.
    pub sessions: u64,
    /// Whether it is to stay.
    pub pinned: bool,
    /// Calls since the server started.
    pub calls: u64,
    /// Loads since then.
    pub loads: u64,
    /// What the last load took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_ms: Option<u64>,
    /// How long ago it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use_ms: Option<u64>,
    /// The shapes of its last calls, such as `ids i64 [1, 12]`, which warm its next load. No value of a call is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<String>,
}
