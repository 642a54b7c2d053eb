//! How versions were made of others.

use super::{id, require, version};
use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::{ModelName, Pick, TenantName, Version};
use rusqlite::params;
use std::collections::BTreeMap;

impl Store {
    /// Keeps how a version was made, as JSON: opaque here. What was kept of it before is replaced; it goes with the version.
    ///
    /// # Errors
    /// [`StoreError::ModelMissing`], or the metadata cannot be written.
    pub fn put_rewrite(
        &self,
        tenant: &TenantName,
        name: &ModelName,
        made: Version,
        report_json: &str,
    ) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let row = id(tx, &require(tx, tenant, name, &Pick::Version(made))?)?;
            let sql = "INSERT INTO model_rewrite (model, report) VALUES (?1, ?2)
                ON CONFLICT (model) DO UPDATE SET report = ?2";
            tx.execute(sql, params![row, report_json])?;
            Ok(())
        })
    }

    /// How those versions of a model were made that were made of others.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn rewrites(&self, tenant: &TenantName, name: &ModelName) -> Result<BTreeMap<Version, String>, StoreError> {
        self.db.read(|tx| {
            let sql = "SELECT v.version AS version, r.report AS report FROM model_rewrite r
                JOIN model_version v ON v.id = r.model WHERE v.tenant = ?1 AND v.name = ?2";
            let mut query = tx.prepare_cached(sql)?;
            let rows =
                query.query_map([tenant.as_str(), name.as_str()], |row| Ok((version(row)?, row.get("report")?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
