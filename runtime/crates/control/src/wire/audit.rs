//! Changes and who made them, as the admin API tells them.

use modelet_spec::{At, TenantName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which changes are meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Of this tenant's things. Left out, all that the caller may see: for the operator those of every tenant, removed ones too.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// Of this kind, such as `key.put`, or `key` for all kinds that begin with `key.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of this thing, such as `magika@2`, or `magika` for all its versions, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Not before this moment: `2026-11-28T17:40:00Z`, or `10m` for ten minutes ago.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<At>,
    /// Not after this moment.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<At>,
    /// So many at most, 1 to 1000; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Those that come after this `next` of an earlier answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Changes, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// Those of this page.
    pub changes: Vec<Audited>,
    /// What to ask for as `after` to get the next page; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Audited {
    /// Counts up by one over the whole server.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was done, such as `function.deploy`.
    pub kind: String,
    /// To whose thing.
    pub tenant: String,
    /// To which thing, such as `magika@2`.
    pub subject: String,
    /// What else is worth to know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What stood before; absent: nothing, or nothing that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What stands since; absent: nothing, or nothing that could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Who did it.
    pub by: AuditedBy,
    /// What chains it to the change before, as 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// Who made a change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditedBy {
    /// What kind of one.
    pub kind: AuditedKind,
    /// The key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whose key.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// What the key may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The address and the port at the other end of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
}

/// What kind of one made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditedKind {
    /// The server by itself.
    Server,
    /// Whoever has the key.
    Key,
    /// The operator: with which key and from where is not for the tenant.
    Operator,
    /// It was not written down then.
    Unknown,
}

/// With what the audit is to be compared.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditVerifyQuery {
    /// The `head` of an earlier answer that was kept elsewhere: the same row must still be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
}

/// Whether the audit is whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditVerified {
    /// Whether it is.
    pub whole: bool,
    /// How many rows fit, from the first on.
    pub rows: u64,
    /// The last of these and its hash, as `ROW:HASH`. Kept elsewhere, it tells later whether the database was put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The first thing that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}
