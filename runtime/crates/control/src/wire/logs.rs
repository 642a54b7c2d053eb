//! Lines that functions wrote, as the admin API tells them.

use modelet_spec::{InvocationId, TenantName, Version};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which lines are meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// The tenant; `default` when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// Only those of this invocation.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<InvocationId>,
    /// Only those after the one with this number: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How long to wait for a line when there is none, in milliseconds; at most 10,000.
    #[serde(default)]
    pub wait_ms: u64,
}

/// A page of lines, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The lines; at most 1,000. Of those that were written, a function's last 256 KiB or so are kept.
    pub lines: Vec<LogLine>,
    /// Where the next page begins, as `after`.
    pub next: u64,
}

/// One line that a function wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number among the function's lines since the server started.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// By which version.
    #[schema(value_type = u32)]
    pub version: Version,
    /// In which invocation.
    #[schema(value_type = String)]
    pub invocation: InvocationId,
    /// `stdout`, or `stderr`, where `wasi:logging` goes as well.
    pub stream: String,
    /// The line, without its end. It is what the function wrote: not to be sent to a terminal as it is.
    pub text: String,
}
