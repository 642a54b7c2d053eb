//! What a failure of the store is to whoever asked.

use modelet_store::StoreError;

use super::{AskedError, ControlError};

/// What the store refuses is the caller's to mend; what fails in it is the operator's.
impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoBlob(digest) => Self::NoBlob(digest),
            StoreError::NoTenant(tenant) => Self::NoTenant(tenant),
            refused @ (StoreError::TenantExists(_) | StoreError::TenantRemoved(_)) => {
                Self::NoNewTenant(refused.to_string())
            }
            StoreError::NoGrant(to) => Self::NoGrant(to),
            StoreError::NoKey(id) => Self::NoKey(id),
            StoreError::NoSecret(secret) => Self::NoSecret(secret),
            StoreError::DefaultTenant => Self::DefaultTenant,
            StoreError::TenantInUse { tenant, functions, models } => Self::TenantInUse { tenant, functions, models },
            StoreError::Count { what, max, used } => Self::Count { what, max, used },
            StoreError::Unexpected { thing, now } => AskedError::Unexpected { thing, now }.into(),
            StoreError::Taken(_) => Self::ChangedMeanwhile,
            refused @ StoreError::OtherDigest { .. } => Self::Archive(refused.to_string()),
            StoreError::ModelMissing(model) => Self::NoModel(model),
            StoreError::FunctionMissing(written) => missing(written),
            StoreError::FunctionLive(version) => Self::FunctionServes { version, live: true },
            StoreError::ModelInUse { model, functions } => Self::ModelInUse { model, functions },
            StoreError::LabelMissing { model, label } => Self::NoLabel { model, label: label.to_string() },
            StoreError::Quota { quota_bytes, used_bytes, wanted_bytes } => {
                Self::Quota { quota: quota_bytes, used: used_bytes, wanted: wanted_bytes }
            }
            full if full.is_full() => Self::DiskFull(full),
            refused if refused.is_read_only() => Self::ReadOnly(refused),
            failed => Self::Store(failed),
        }
    }
}

/// A function that is not there, or a version of it: `NAME@VERSION`.
fn missing(written: String) -> ControlError {
    match written.split_once('@').map(|(function, version)| (function, version.parse())) {
        Some((function, Ok(version))) => ControlError::NoVersion { function: function.to_owned(), version },
        _ => ControlError::NoFunction(written),
    }
}
