//! What a tenant may have by number, counted in the transaction that adds one more.

use super::limits;
use crate::error::StoreError;
use modelet_spec::{FunctionName, ModelName, TenantName};
use rusqlite::{OptionalExtension, Transaction};

/// Refuses a function that is one too many; a new version of one that is there is none.
pub(crate) fn room_for_function(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
) -> Result<(), StoreError> {
    let max = tx.prepare_cached("SELECT limits FROM tenant WHERE name = ?1")?.query_row([tenant.as_str()], limits)?;
    let counted =
        "SELECT count(*), count(*) FILTER (WHERE name = ?2) FROM function_alias WHERE tenant = ?1 AND alias = 'live'";
    let (used, same): (u32, u32) = tx
        .prepare_cached(counted)?
        .query_row((tenant.as_str(), name.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))?;
    hold(max.functions.filter(|_| same == 0), used, "functions")
}

/// Refuses functions that are too many, where `before` of them were there: several came at once, and each is counted when it serves.
pub(crate) fn functions_held(tx: &Transaction<'_>, tenant: &TenantName, before: u32) -> Result<(), StoreError> {
    let own = tx.prepare_cached("SELECT limits FROM tenant WHERE name = ?1")?.query_row([tenant.as_str()], limits)?;
    match (own.functions, super::usage::functions(tx, tenant)?) {
        (Some(max), now) if now > max && now > before => {
            Err(StoreError::Count { what: "functions", max, used: before })
        }
        _ => Ok(()),
    }
}

/// Refuses a model that is one too many; a new version of one that is there is none.
pub(crate) fn room_for_model(tx: &Transaction<'_>, tenant: &TenantName, name: &ModelName) -> Result<(), StoreError> {
    let max = tx.prepare_cached("SELECT limits FROM tenant WHERE name = ?1")?.query_row([tenant.as_str()], limits)?;
    let Some(max) = max.models else { return Ok(()) };
    let there = "SELECT 1 FROM model_version WHERE tenant = ?1 AND name = ?2 AND removed_ms IS NULL LIMIT 1";
    if tx.prepare_cached(there)?.query_row((tenant.as_str(), name.as_str()), |_| Ok(())).optional()?.is_some() {
        return Ok(());
    }
    hold(Some(max), super::usage::models(tx, tenant)?, "models")
}

/// Refuses a secret that is one too many; a new value of one that is there is none. `server_max`: what no tenant may exceed.
pub(crate) fn room_for_secret(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    is_new: bool,
    server_max: u32,
) -> Result<(), StoreError> {
    let own = tx.prepare_cached("SELECT limits FROM tenant WHERE name = ?1")?.query_row([tenant.as_str()], limits)?;
    let max = own.secrets.map_or(server_max, |own| own.min(server_max));
    hold(Some(max).filter(|_| is_new), super::usage::secrets(tx, tenant)?, "secrets")
}

fn hold(max: Option<u32>, used: u32, what: &'static str) -> Result<(), StoreError> {
    match max {
        Some(max) if used >= max => Err(StoreError::Count { what, max, used }),
        _ => Ok(()),
    }
}
