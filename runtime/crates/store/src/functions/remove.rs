//! Versions of functions go: out of every listing at once; their numbers are never used again.

use super::{FunctionVersion, SELECT, list, require, serving};
use crate::changes::{Changes, Changing};
use crate::error::StoreError;
use crate::events::Note;
use crate::history::Item;
use modelet_spec::{FunctionName, TenantName, Version};
use rusqlite::params;

/// What was removed of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedFunction {
    /// The versions, the newest first.
    pub versions: Vec<Version>,
}

impl Changes<'_> {
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
        self.write(|tx| {
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
            if let Some(number) = version
                && versions.iter().any(|version| version.is_live)
            {
                return Err(StoreError::FunctionLive(format!("{name}@{number}")));
            }
            let mut event = None;
            for version in &versions {
                event = Some(remove(tx, version)?);
            }
            if let (None, Some(event)) = (version, event) {
                serving::stop(tx, tenant, name, event)?;
                let of = (tenant.as_str(), name.as_str());
                tx.execute("DELETE FROM function_scale WHERE tenant = ?1 AND name = ?2", of)?;
            }
            Ok(RemovedFunction { versions: versions.iter().map(|version| version.version).collect() })
        })
    }
}

/// Returns the event.
fn remove(tx: &Changing<'_>, function: &FunctionVersion) -> Result<i64, StoreError> {
    let FunctionVersion { tenant, name, version, component, .. } = function;
    let (subject, component) = (format!("{name}@{version}"), component.to_string());
    let note = Note::new("function.remove", tenant, &subject).detail(&component);
    let event = note.values(Some(&component), None).write(tx)?;
    Item::function(tenant, name.as_str(), &version.to_string()).ends(tx, event.id)?;
    tx.execute(
        "UPDATE function_version SET removed_ms = ?4 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
        params![tenant.as_str(), name.as_str(), version.get(), event.at_ms],
    )?;
    Ok(event.id)
}
