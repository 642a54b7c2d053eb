//! Everything of desired state that can be taken to another server, all from one moment.

use crate::error::StoreError;
use crate::functions::{self, FunctionVersion, Serving};
use crate::grants::{self, Grant};
use crate::models::{self, ModelVersion};
use crate::pins::{self, Pin};
use crate::scale;
use crate::secrets::{self, StoredSealed};
use crate::store::Store;
use crate::tenants::{self, Tenant};
use modelet_spec::{FunctionName, TenantName};
use rusqlite::params;

/// What there is of one tenant, or of all; of grants always all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// By name.
    pub tenants: Vec<Tenant>,
    /// All versions of models, by tenant and name, the oldest first.
    pub models: Vec<ModelVersion>,
    /// All grants.
    pub grants: Vec<Grant>,
    /// All pins.
    pub pins: Vec<Pin>,
    /// All versions of functions, by tenant and name, the oldest first.
    pub functions: Vec<FunctionVersion>,
    /// What serves of them, by tenant and name.
    pub serving: Vec<Serving>,
    /// All secrets, sealed, by tenant and name.
    pub secrets: Vec<StoredSealed>,
    /// How many instances are kept warm where somebody said so.
    pub scales: Vec<(TenantName, FunctionName, u32)>,
}

impl Store {
    /// What there is of one tenant, or of all, at this moment.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn export(&self, tenant: Option<&TenantName>) -> Result<Exported, StoreError> {
        let is_meant = |owner: &TenantName| tenant.is_none_or(|tenant| tenant == owner);
        let of = tenant.map(TenantName::as_str);
        let models =
            format!("{} AND (?1 IS NULL OR v.tenant = ?1) ORDER BY v.tenant, v.name, v.version", models::SELECT);
        let functions = format!(
            "{} WHERE f.removed_ms IS NULL AND (?1 IS NULL OR f.tenant = ?1) ORDER BY f.tenant, f.name, f.version",
            functions::SELECT
        );
        self.db.read(|tx| {
            let tenants = tenants::all(tx)?.into_iter().filter(|tenant| is_meant(&tenant.name)).collect();
            Ok(Exported {
                tenants,
                models: models::list(tx, &models, params![of])?,
                grants: grants::all(tx)?,
                pins: pins::all(tx)?.into_iter().filter(|pin| is_meant(&pin.tenant)).collect(),
                functions: functions::list(tx, &functions, params![of])?,
                serving: functions::serving::everything(tx, tenant)?,
                secrets: secrets::all(tx, tenant)?,
                scales: scale::all(tx)?.into_iter().filter(|(tenant, ..)| is_meant(tenant)).collect(),
            })
        })
    }
}
