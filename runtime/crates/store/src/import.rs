//! Desired state of another server comes in: all of it in one transaction, or nothing.
//!
//! Versions keep the numbers that they had, as far as those were never used here; who calls has chosen them, and a number that was
//! taken meanwhile undoes everything.

use crate::actor::Actor;
use crate::changes::{Changes, Changing};
use crate::error::StoreError;
use crate::events::Note;
use crate::functions::{self, NewFunctionVersion, Serving};
use crate::models::{self, NewModelVersion, labels, put};
use crate::pins::{self, Pin};
use crate::secrets::{self, Seal};
use crate::store::Store;
use crate::{grants, scale, tenants, uploads};
use modelet_spec::{
    Claims, Digest, FunctionName, Label, ModelName, Pick, SecretName, TenantLimits, TenantName, Version,
};
use rusqlite::{OptionalExtension, Transaction, params};

/// What comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// Whose things.
    pub tenants: Vec<ImportedTenant>,
    /// How many secrets a tenant may have by the server's word.
    pub secrets_max: u32,
    /// What the events say of it.
    pub detail: String,
}

/// What comes in of one tenant: only what is not here yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTenant {
    /// Its name.
    pub name: TenantName,
    /// Whether it is to be made.
    pub is_new: bool,
    /// What it may claim from now on; `None`: what it may already.
    pub claims: Option<Claims>,
    /// What it may have from now on; `None`: what it may already.
    pub limits: Option<TenantLimits>,
    /// What its models may take, in bytes.
    pub quota_bytes: u64,
    /// Versions of models, with their numbers.
    pub models: Vec<(Version, NewModelVersion)>,
    /// Where labels stand.
    pub labels: Vec<(ModelName, Label, Version)>,
    /// To whom models are granted, and whether calls may be joined.
    pub grants: Vec<(ModelName, TenantName, bool)>,
    /// What is to stay in memory.
    pub pins: Vec<(ModelName, Version)>,
    /// Versions of functions, with their numbers.
    pub functions: Vec<(Version, NewFunctionVersion)>,
    /// What serves of them.
    pub serving: Vec<Serving>,
    /// How many instances are kept warm.
    pub scales: Vec<(FunctionName, u32)>,
    /// Secrets whose values come with it.
    pub secrets: Vec<SecretName>,
}

/// Seals a secret that comes in: whose it is, its name, and the version that its value gets.
pub type ImportSealer<'a> = &'a dyn Fn(&TenantName, &SecretName, u64) -> Option<Seal>;

impl ImportedTenant {
    /// Nothing of a tenant that is here.
    #[must_use]
    pub fn none(name: TenantName, quota_bytes: u64) -> Self {
        Self {
            name,
            is_new: false,
            claims: None,
            limits: None,
            quota_bytes,
            models: Vec::new(),
            labels: Vec::new(),
            grants: Vec::new(),
            pins: Vec::new(),
            functions: Vec::new(),
            serving: Vec::new(),
            scales: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Whether nothing comes in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::none(self.name.clone(), self.quota_bytes)
    }
}

impl Changes<'_> {
    /// Keeps what comes in. Its contents must be on the disk (`Store::keep_staged`).
    ///
    /// # Errors
    /// [`StoreError::Taken`]: a number is used already. [`StoreError::NoBlob`], [`StoreError::Quota`], [`StoreError::Count`],
    /// [`StoreError::NoModel`], [`StoreError::NotSealed`], those of tenants, or the metadata cannot be written. Then nothing has changed.
    pub fn import(&self, import: &Import, seal: ImportSealer<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            begin(tx, import)?;
            // All models first: a function may mean another tenant's.
            for tenant in &import.tenants {
                self.models_in(tx, tenant)?;
            }
            import.tenants.iter().try_for_each(|tenant| self.functions_in(tx, tenant))?;
            import.tenants.iter().try_for_each(|tenant| secrets_in(tx, tenant, import.secrets_max, seal))
        })
    }

    fn models_in(&self, tx: &Changing<'_>, tenant: &ImportedTenant) -> Result<(), StoreError> {
        let used_bytes = uploads::used(tx, &tenant.name)?;
        for (number, new) in &tenant.models {
            free(tx, "model_version", &tenant.name, new.name.as_str(), *number)?;
            tenants::room_for_model(tx, &tenant.name, &new.name)?;
            new.files.iter().try_for_each(|file| self.there(&tenant.name, &file.digest, Some(file.bytes)))?;
            let mut files = new.files.clone();
            files.sort();
            put::insert(tx, new, *number, &files)?;
            files.iter().try_for_each(|file| uploads::settle(tx, &tenant.name, &file.digest))?;
        }
        for (model, label, number) in &tenant.labels {
            let version = models::require(tx, &tenant.name, model, &Pick::Version(*number))?;
            labels::put(tx, &version, label)?;
        }
        for (model, to, share_batch) in &tenant.grants {
            grants::put(tx, &tenant.name, model, to, *share_batch)?;
        }
        for (model, number) in &tenant.pins {
            models::require(tx, &tenant.name, model, &Pick::Version(*number))?;
            let pin = Pin { tenant: tenant.name.clone(), name: model.clone(), version: *number };
            pins::set(tx, &pin, true)?;
        }
        match uploads::used(tx, &tenant.name)? {
            wanted_bytes if !tenant.models.is_empty() && wanted_bytes > tenant.quota_bytes => {
                Err(StoreError::Quota { quota_bytes: tenant.quota_bytes, used_bytes, wanted_bytes })
            }
            _ => Ok(()),
        }
    }

    fn functions_in(&self, tx: &Changing<'_>, tenant: &ImportedTenant) -> Result<(), StoreError> {
        let before = tenants::functions(tx, &tenant.name)?;
        for (number, new) in &tenant.functions {
            free(tx, "function_version", &tenant.name, new.name.as_str(), *number)?;
            self.there(&tenant.name, &new.component, None)?;
            functions::insert(tx, new, *number, None)?;
            uploads::settle(tx, &tenant.name, &new.component)?;
        }
        for serving in &tenant.serving {
            let Serving { tenant, name, live, traffic_json } = serving;
            let detail = traffic_json.as_deref().unwrap_or_default();
            let before = functions::serving::told(tx, tenant, name)?;
            let after = functions::serving::told_of(tx, serving)?;
            let subject = format!("{name}@{live}");
            let note = Note::new("function.import", tenant, &subject).detail(detail);
            let event = note.values(before.as_deref(), Some(&after)).write(tx)?.id;
            functions::serving::set(tx, serving, event)?;
        }
        tenants::functions_held(tx, &tenant.name, before)?;
        tenant.scales.iter().try_for_each(|(name, min)| scale::set(tx, &tenant.name, name, *min))
    }

    fn there(&self, tenant: &TenantName, digest: &Digest, bytes: Option<u64>) -> Result<(), StoreError> {
        match self.blob_bytes(tenant, digest) {
            Some(found) if bytes.is_none_or(|bytes| bytes == found) => Ok(()),
            _ => Err(StoreError::NoBlob(*digest)),
        }
    }
}

impl Store {
    /// All numbers that versions of a model have or had here, with those that are there.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn model_numbers(&self, tenant: &TenantName, name: &ModelName) -> Result<Vec<Version>, StoreError> {
        self.db.read(|tx| numbers(tx, "model_version", tenant, name.as_str()))
    }

    /// The same of a function.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn function_numbers(&self, tenant: &TenantName, name: &FunctionName) -> Result<Vec<Version>, StoreError> {
        self.db.read(|tx| numbers(tx, "function_version", tenant, name.as_str()))
    }

    /// Whether a tenant of this name was removed: it never comes back.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn was_tenant(&self, name: &TenantName) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tenant WHERE name = ?1 AND removed_ms IS NOT NULL)";
        self.db.read(|tx| Ok(tx.query_row(sql, [name.as_str()], |row| row.get(0))?))
    }
}

/// The tenants themselves. Those that are here go first: a new one may get what another had.
fn begin(tx: &Changing<'_>, import: &Import) -> Result<(), StoreError> {
    let (new, here): (Vec<_>, Vec<_>) = import.tenants.iter().partition(|tenant| tenant.is_new);
    let claims = here.iter().filter_map(|tenant| Some((&tenant.name, tenant.claims.as_ref()?)));
    tenants::set_all_claims(tx, &claims.collect::<Vec<_>>())?;
    for tenant in new {
        tenants::create(tx, &tenant.name, &tenant.claims.clone().unwrap_or_default())?;
    }
    for tenant in &import.tenants {
        tenants::require(tx, &tenant.name)?;
        Note::new("tenant.import", &tenant.name, tenant.name.as_str()).detail(&import.detail).write(tx)?;
        tenant.limits.iter().try_for_each(|limits| tenants::set_limits(tx, &tenant.name, limits))?;
    }
    Ok(())
}

fn secrets_in(tx: &Changing<'_>, tenant: &ImportedTenant, max: u32, seal: ImportSealer<'_>) -> Result<(), StoreError> {
    let set_by = match tx.by {
        Actor::Key { id, .. } => Some(id.as_str()),
        Actor::Server => None,
    };
    tenant.secrets.iter().try_for_each(|name| {
        secrets::put(tx, (&tenant.name, name), set_by, max, |version| seal(&tenant.name, name, version)).map(drop)
    })
}

/// Refuses a number that a version has or had.
fn free(tx: &Transaction<'_>, table: &str, tenant: &TenantName, name: &str, number: Version) -> Result<(), StoreError> {
    let sql = format!("SELECT 1 FROM {table} WHERE tenant = ?1 AND name = ?2 AND version = ?3");
    let found = tx.query_row(&sql, params![tenant.as_str(), name, number.get()], |_| Ok(())).optional()?;
    if found.is_some() { Err(StoreError::Taken(format!("{name}@{number}"))) } else { Ok(()) }
}

fn numbers(tx: &Transaction<'_>, table: &str, tenant: &TenantName, name: &str) -> Result<Vec<Version>, StoreError> {
    let mut query =
        tx.prepare_cached(&format!("SELECT version FROM {table} WHERE tenant = ?1 AND name = ?2 ORDER BY version"))?;
    let rows = query.query_map((tenant.as_str(), name), models::version)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
