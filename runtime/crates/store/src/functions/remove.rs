//! Versions of functions go: out of every listing at once; their numbers are never used again.

use super::{FunctionVersion, SELECT, list, require, serving};
use crate::error::StoreError;
use crate::events::note;
use crate::store::Store;
use modelet_spec::{FunctionName, TenantName, Version};
use rusqlite::{Transaction, params};

/// What was removed of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedFunction {
    /// The versions, the newest first.
    pub versions: Vec<Version>,
}

impl Store {
    /// Removes one version of a function that is not live, or the function with all its versions and with what was said of it
    /// (`scale`, traffic).
    ///
    /// # Errors
    /// [`StoreError::FunctionMissing`], [`StoreError::FunctionLive`], or the metadata cannot be written. Then nothing has
    /// changed.
    pub fn remove_function(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
        version: Option<Version>,
    ) -> Result<RemovedFunction, StoreError> {
        self.db.write(|tx| {
            let versions = match version {
                Some(version) => vec![require(tx, tenant, name, version)?],
                None => {
                    let sql = format!(
                        "{SELECT} WHERE f.tenant = ?1 AND f.name = ?2 AND f.removed_ms IS NULL ORDER BY f.version DESC"
                    );
                    list(tx, &sql, (tenant.as_str(), name.as_str()))?
                }
            };
            if versions.is_empty() {
                return Err(StoreError::FunctionMissing(name.to_string()));
            }
            match version {
                Some(number) if versions.iter().any(|version| version.is_live) => {
                    return Err(StoreError::FunctionLive(format!("{name}@{number}")));
                }
                Some(_) => {}
                None => forget(tx, tenant, name)?,
            }
            versions.iter().try_for_each(|version| remove(tx, version))?;
            Ok(RemovedFunction { versions: versions.iter().map(|version| version.version).collect() })
        })
    }
}

/// Nothing of the function serves any more, and what was said of it is said no longer.
fn forget(tx: &Transaction<'_>, tenant: &TenantName, name: &FunctionName) -> Result<(), StoreError> {
    let of = (tenant.as_str(), name.as_str());
    serving::set_traffic(tx, tenant, name, None)?;
    tx.execute("DELETE FROM function_alias WHERE tenant = ?1 AND name = ?2", of)?;
    tx.execute("DELETE FROM function_scale WHERE tenant = ?1 AND name = ?2", of)?;
    Ok(())
}

fn remove(tx: &Transaction<'_>, function: &FunctionVersion) -> Result<(), StoreError> {
    let FunctionVersion { tenant, name, version, component, .. } = function;
    let at_ms = note(tx, "function.remove", tenant, &format!("{name}@{version}"), &component.to_string())?;
    tx.execute(
        "UPDATE function_version SET removed_ms = ?4 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
        params![tenant.as_str(), name.as_str(), version.get(), at_ms],
    )?;
    Ok(())
}
