//! Who changed something.

use crate::db::lossy;
use modelet_spec::TenantName;
use rusqlite::Row;

/// Who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The server by itself: at its start, or when it cleans up.
    Server,
    /// Whoever had a key.
    Key {
        /// The key's id; never its secret.
        id: String,
        /// Whose key.
        tenant: TenantName,
        /// What the key may do, with spaces between.
        scopes: String,
        /// The address at the other end of the connection; `None`: there was none.
        remote: Option<String>,
    },
}

/// What the column `actor` says of the server; a key has a tenant beside it.
const SERVER: &str = "server";

impl Actor {
    /// As it is kept: actor, tenant, scopes, remote address.
    pub(crate) fn columns(&self) -> [Option<&str>; 4] {
        match self {
            Self::Server => [Some(SERVER), None, None, None],
            Self::Key { id, tenant, scopes, remote } => {
                [Some(id), Some(tenant.as_str()), Some(scopes), remote.as_deref()]
            }
        }
    }

    /// As it was kept; `None`: changes did not say so yet, or what is there now names nobody.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Some(id) = lossy(row, "actor")? else { return Ok(None) };
        let Some(tenant) = lossy(row, "actor_tenant")? else { return Ok(Some(Self::Server)) };
        let Ok(tenant) = tenant.parse() else { return Ok(None) };
        let scopes = lossy(row, "actor_scopes")?.unwrap_or_default();
        Ok(Some(Self::Key { id, tenant, scopes, remote: lossy(row, "remote")? }))
    }
}
