//! What was used, as the admin API shows it.

use modelet_spec::{At, FunctionName, TenantName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How use is added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageBy {
    /// By the hour, for 14 days.
    Hour,
    /// By the day of UTC, for 400 days.
    #[default]
    Day,
    /// All of the time, for each function.
    Function,
    /// All of the time, for each model.
    Model,
}

/// Which use is meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// The tenant. When left out: for the operator all tenants, removed ones too; else the own one.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// Only this function.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// Only this model: `NAME`, or `OWNER/NAME` for one that another tenant has granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// From the hour or day of this moment on: `2026-11-28T17:00:00Z`, or `10d` for ten days ago. When left out, a day ago by hours,
    /// else 30 days.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<At>,
    /// To the hour or day before this moment; now when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<At>,
    /// How it is added up: `day` when left out.
    #[param(inline)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UsageBy>,
    /// Rows of a page: 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What was used, as of some seconds ago at most.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// From the hour or day that begins then.
    #[schema(value_type = String)]
    pub since: Timestamp,
    /// To those that begin before this.
    #[schema(value_type = String)]
    pub until: Timestamp,
    /// How it is added up.
    #[schema(value_type = String)]
    pub by: UsageBy,
    /// One row for each function's version and each model on a device, or for each function or model.
    pub rows: Vec<UsageRow>,
    /// There is more: ask again with this as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What was used of one function or one model.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// When the hour or day begins; absent where all of the time is one row.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Whose use it is.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Or the model, as this tenant names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The device that it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Requests to the function, whatever became of them.
    pub requests: u64,
    /// Those that it did not answer, although its guest was called: traps, limits, deadlines, clients that left.
    pub failed: u64,
    /// Those that no guest saw: without a key, over a limit, for no version.
    pub refused: u64,
    /// Seconds of its guests on a processor, runs of models apart.
    pub cpu_seconds: f64,
    /// Bytes of requests' bodies.
    pub bytes_in: u64,
    /// Bytes of answers' bodies.
    pub bytes_out: u64,
    /// Runs of the model that had rows of this tenant.
    pub runs: u64,
    /// These rows.
    pub rows: u64,
    /// Seconds that the model's sessions were busy with them; of a run that several tenants share, the part of their rows.
    pub inference_seconds: f64,
}
