//! Earlier moments, as the admin API reads and writes them.

use modelet_spec::{At, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whose things are meant, and of when.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// A moment of the past, such as `2026-11-28T17:40:00Z`, or `10m` for ten minutes ago: what there was then. Now when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// Back to what served at a moment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The moment: `2026-11-28T17:40:00Z`, or `10m` for ten minutes ago.
    #[schema(value_type = String)]
    pub at: At,
    /// Whether only to say what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What going back has changed, or would.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Restored {
    /// The moment.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What is another afterwards.
    pub changes: Vec<Changed>,
    /// What cannot be as it was, and why.
    pub missing: Vec<String>,
}

/// One thing that is another afterwards.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// `function`, `model` or `label`.
    pub kind: String,
    /// Which: a function's name, `MODEL@VERSION`, or `MODEL` and a label.
    pub name: String,
    /// What it is before; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is afterwards; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
