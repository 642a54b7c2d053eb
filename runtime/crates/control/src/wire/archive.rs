//! Exports and imports, as the admin API reads and writes them.

use modelet_spec::TenantName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How an archive comes in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// The tenant that the one tenant of the archive becomes. For the operator: all tenants of the archive, under their
    /// names, when left out.
    #[param(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantName>,
    /// Whether only to say what would change: all of the archive is read and compared, and nothing is kept.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether what is here under the same name and is another may be served otherwise from now on. Its versions stay.
    #[serde(default)]
    pub replace: bool,
    /// Whether secrets of the archive stay out. Those of one that has some come in by its passphrase, or it is refused.
    #[serde(default)]
    pub without_secrets: bool,
}

/// What an import has changed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Whether nothing was changed, because only that was asked.
    pub dry_run: bool,
    /// Everything that is in the archive: tenants, then models, then functions, then secrets.
    pub items: Vec<ImportedItem>,
    /// What its owner should know, such as versions that have another number here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A thing of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedItem {
    /// `tenant`, `model`, `function` or `secret`.
    pub kind: String,
    /// Whose it is.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// What it is called.
    pub name: String,
    /// `added`, `changed` or `unchanged`.
    pub change: String,
    /// What of it, such as `versions 1, 2; live 2`.
    pub what: String,
}
