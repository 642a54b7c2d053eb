//! What stood at a moment, in the words of what is.

use super::Moment;
use crate::db::parsed;
use crate::error::StoreError;
use crate::functions::{self, FunctionVersion, Serving};
use crate::models::{self, ModelVersion};
use crate::store::Store;
use modelet_spec::{FunctionName, ModelName, TenantName};
use rusqlite::{Transaction, params};

/// Whether the period `p` lasted at the moment `?1`.
pub(super) const LASTED: &str = "p.since <= ?1 AND (p.until IS NULL OR p.until > ?1)";

impl Store {
    /// The version of each function of a tenant that was live at a moment, sorted by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn functions_at(&self, tenant: &TenantName, moment: Moment) -> Result<Vec<FunctionVersion>, StoreError> {
        let sql = format!(
            "SELECT f.*, 1 AS is_live, NULL AS revision FROM period p
             JOIN function_version f ON f.tenant = p.tenant AND f.name = p.name AND f.version = CAST(p.value AS INTEGER)
             WHERE p.kind = 'live' AND p.tenant = ?2 AND {LASTED} ORDER BY f.name"
        );
        self.db.read(|tx| functions::list(tx, &sql, (moment.0, tenant.as_str())))
    }

    /// The versions of a function that there were at a moment, the newest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn function_versions_at(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
        moment: Moment,
    ) -> Result<Vec<FunctionVersion>, StoreError> {
        let live = format!(
            "SELECT 1 FROM period p WHERE p.kind = 'live' AND p.tenant = f.tenant AND p.name = f.name
             AND CAST(p.value AS INTEGER) = f.version AND {LASTED}"
        );
        let sql = format!(
            "SELECT f.*, EXISTS ({live}) AS is_live, NULL AS revision FROM period p
             JOIN function_version f ON f.tenant = p.tenant AND f.name = p.name AND f.version = CAST(p.item AS INTEGER)
             WHERE p.kind = 'function' AND p.tenant = ?2 AND p.name = ?3 AND {LASTED} ORDER BY f.version DESC"
        );
        self.db.read(|tx| functions::list(tx, &sql, params![moment.0, tenant.as_str(), name.as_str()]))
    }

    /// What served at a moment of a tenant's functions, sorted by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn serving_at(&self, tenant: &TenantName, moment: Moment) -> Result<Vec<Serving>, StoreError> {
        self.db.read(|tx| serving_at(tx, tenant, moment))
    }

    /// The versions of a tenant's models that there were at a moment, with the labels of then: sorted by name, the newest of each
    /// first. `name`: of one model only.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn models_at(
        &self,
        tenant: &TenantName,
        name: Option<&ModelName>,
        moment: Moment,
    ) -> Result<Vec<ModelVersion>, StoreError> {
        let labels = format!(
            "SELECT group_concat(p.item, ' ' ORDER BY p.item) FROM period p WHERE p.kind = 'label'
             AND p.tenant = v.tenant AND p.name = v.name AND CAST(p.value AS INTEGER) = v.version AND {LASTED}"
        );
        let sql = format!(
            "SELECT v.*, ({labels}) AS labels, NULL AS revision FROM period p
             JOIN model_version v ON v.tenant = p.tenant AND v.name = p.name AND v.version = CAST(p.item AS INTEGER)
             WHERE p.kind = 'model' AND p.tenant = ?2 AND (?3 IS NULL OR p.name = ?3) AND {LASTED}
             ORDER BY v.name, v.version DESC"
        );
        self.db.read(|tx| models::list(tx, &sql, params![moment.0, tenant.as_str(), name.map(ModelName::as_str)]))
    }
}

pub(super) fn serving_at(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    moment: Moment,
) -> Result<Vec<Serving>, StoreError> {
    let mut query = tx.prepare_cached(&format!(
        "SELECT p.name, p.value AS live, (SELECT t.value FROM period t WHERE t.kind = 'traffic' AND t.tenant = p.tenant
             AND t.name = p.name AND t.since <= ?1 AND (t.until IS NULL OR t.until > ?1)) AS traffic
         FROM period p WHERE p.kind = 'live' AND p.tenant = ?2 AND {LASTED} ORDER BY p.name"
    ))?;
    let rows = query.query_map((moment.0, tenant.as_str()), |row| {
        let (name, live) = (parsed(row, "name")?, parsed(row, "live")?);
        Ok(Serving { tenant: tenant.clone(), name, live, traffic_json: row.get("traffic")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
