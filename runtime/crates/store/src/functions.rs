//! Versions of functions, the models that they mean, and which one is live.

mod remove;
mod rows;
pub(crate) mod serving;

pub use remove::RemovedFunction;
pub use serving::{NewServing, Serving};

use rows::SELECT_LIVE;
pub(crate) use rows::{SELECT, list};

use crate::changes::{Changes, Changing};
use crate::compiled::CompiledRecord;
use crate::error::StoreError;
use crate::events::Note;
use crate::history::Item;
use crate::models::{NewModelVersion, version};
use crate::store::Store;
use crate::things::Revision;
use crate::{tenants, uploads};
use modelet_spec::{Digest, FunctionName, ModelName, TenantName, Version};
use rusqlite::{OptionalExtension, Transaction, params};

/// A deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFunctionVersion {
    /// Whose function.
    pub tenant: TenantName,
    /// Which function.
    pub name: FunctionName,
    /// Its component; must be in the store.
    pub component: Digest,
    /// The code made from the component, as [`Store::write_compiled`] returned it.
    pub compiled: CompiledRecord,
    /// Its manifest: opaque here.
    pub manifest_json: String,
    /// The models that it may load: the tenant's own, or granted to it.
    pub models: Vec<NewModelBinding>,
    /// Why an instance of it serves one request only, although its manifest has instances reused.
    pub not_reused: Option<String>,
}

/// What a new version of a function means by an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewModelBinding {
    /// The name that the function uses.
    pub alias: String,
    /// Whose model.
    pub owner: TenantName,
    /// The model.
    pub name: ModelName,
    /// The version of it.
    pub version: Version,
    /// Its content, as the deployer saw it.
    pub digest: Digest,
}

/// A version of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionVersion {
    /// Whose function.
    pub tenant: TenantName,
    /// Which function.
    pub name: FunctionName,
    /// Which version of it.
    pub version: Version,
    /// Its component.
    pub component: Digest,
    /// The code made from it.
    pub compiled: CompiledRecord,
    /// As it was deployed.
    pub manifest_json: String,
    /// The models that it may load, sorted by alias.
    pub models: Vec<ModelBinding>,
    /// Why an instance of it serves one request only, although its manifest has instances reused.
    pub not_reused: Option<String>,
    /// Whether routes use this version.
    pub is_live: bool,
    /// When it was deployed, in milliseconds since 1970.
    pub created_ms: u64,
    /// That of the function, with all its versions.
    pub revision: Revision,
}

/// What a version of a function means by an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBinding {
    /// The name that the function uses.
    pub alias: String,
    /// Whose model.
    pub owner: TenantName,
    /// The model.
    pub name: ModelName,
    /// The version of it.
    pub version: Version,
    /// Its content.
    pub digest: Digest,
    /// Its card, as JSON: opaque here.
    pub card_json: String,
}

impl From<FunctionVersion> for NewFunctionVersion {
    /// The same as a new deploy.
    fn from(version: FunctionVersion) -> Self {
        let FunctionVersion { tenant, name, component, compiled, manifest_json, models, not_reused, .. } = version;
        let binding = |model: ModelBinding| NewModelBinding {
            alias: model.alias,
            owner: model.owner,
            name: model.name,
            version: model.version,
            digest: model.digest,
        };
        let models = models.into_iter().map(binding).collect();
        Self { tenant, name, component, compiled, manifest_json, models, not_reused }
    }
}

impl Changes<'_> {
    /// Keeps a deploy as a new version, and makes it live.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], [`StoreError::NoBlob`], [`StoreError::NoModel`], or the metadata cannot be written. Then
    /// nothing has changed.
    pub fn put_function(&self, new: &NewFunctionVersion) -> Result<FunctionVersion, StoreError> {
        self.write(|tx| self.put(tx, new, None))
    }

    /// Keeps a deploy and the versions of models that come with it, all of it or nothing. `aside`: the new version is not live; the
    /// function's requests are shared out as said, from now on with it.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: a model has not the number that the function was bound to. Those of [`Changes::put_function`] and
    /// [`Changes::put_model`].
    pub fn put_deploy(
        &self,
        models: &[(Version, NewModelVersion)],
        new: &NewFunctionVersion,
        aside: Option<&str>,
    ) -> Result<FunctionVersion, StoreError> {
        self.write(|tx| {
            for (expected, model) in models {
                let kept = self.put_model_in(tx, model)?;
                if kept.version != *expected {
                    return Err(StoreError::Taken(format!("{}@{expected}", model.name)));
                }
            }
            self.put(tx, new, aside)
        })
    }

    /// Keeps many deploys in the order given, all of them or none: in one transaction, so that the disk is waited for once.
    ///
    /// # Errors
    /// Those of [`Changes::put_function`], of the first that fails. Then nothing has changed.
    pub fn put_functions(&self, new: &[NewFunctionVersion]) -> Result<Vec<FunctionVersion>, StoreError> {
        self.write(|tx| new.iter().map(|new| self.put(tx, new, None)).collect())
    }

    fn put(
        &self,
        tx: &Changing<'_>,
        new: &NewFunctionVersion,
        aside: Option<&str>,
    ) -> Result<FunctionVersion, StoreError> {
        tenants::require(tx, &new.tenant)?;
        tenants::room_for_function(tx, &new.tenant, &new.name)?;
        let is_there = self.blob_bytes(&new.tenant, &new.component).is_some();
        if !is_there || !uploads::holds(tx, &new.tenant, &new.component)? {
            return Err(StoreError::NoBlob(new.component));
        }
        let number = next(tx, &new.tenant, &new.name)?;
        let before = serving::told(tx, &new.tenant, &new.name)?;
        let event = insert(tx, new, number, before.as_deref())?;
        uploads::settle(tx, &new.tenant, &new.component)?;
        match aside {
            None => serving::set_live(tx, &new.tenant, &new.name, number, event)?,
            Some(traffic) => serving::set_traffic(tx, &new.tenant, &new.name, Some(traffic), event)?,
        }
        require(tx, &new.tenant, &new.name, number)
    }
}

impl Store {
    /// The live version of each function, of one tenant or of all, sorted by tenant and name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn functions(&self, tenant: Option<&TenantName>) -> Result<Vec<FunctionVersion>, StoreError> {
        let sql = match tenant {
            Some(_) => format!("{SELECT_LIVE} AND a.tenant = ?1 ORDER BY a.name"),
            None => format!("{SELECT_LIVE} AND ?1 IS NULL ORDER BY a.tenant, a.name"),
        };
        self.db.read(|tx| list(tx, &sql, [tenant.map(TenantName::as_str)]))
    }

    /// At most `count_max` live versions of a tenant whose names come after `after`, sorted by name; an empty `after`: from the first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn functions_after(
        &self,
        tenant: &TenantName,
        after: &str,
        count_max: u32,
    ) -> Result<Vec<FunctionVersion>, StoreError> {
        let sql = format!("{SELECT_LIVE} AND a.tenant = ?1 AND a.name > ?2 ORDER BY a.name LIMIT ?3");
        self.db.read(|tx| list(tx, &sql, (tenant.as_str(), after, count_max)))
    }

    /// The live version of a function.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn function(&self, tenant: &TenantName, name: &FunctionName) -> Result<Option<FunctionVersion>, StoreError> {
        let sql = format!("{SELECT_LIVE} AND a.tenant = ?1 AND a.name = ?2");
        self.db.read(|tx| Ok(list(tx, &sql, (tenant.as_str(), name.as_str()))?.into_iter().next()))
    }

    /// All versions of a function, the newest first; those that were removed are not among them.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn function_versions(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
    ) -> Result<Vec<FunctionVersion>, StoreError> {
        let sql =
            format!("{SELECT} WHERE f.tenant = ?1 AND f.name = ?2 AND f.removed_ms IS NULL ORDER BY f.version DESC");
        self.db.read(|tx| list(tx, &sql, (tenant.as_str(), name.as_str())))
    }

    /// One version of a function.
    ///
    /// # Errors
    /// [`StoreError::FunctionMissing`], or the metadata cannot be read.
    pub fn function_version(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
        version: Version,
    ) -> Result<FunctionVersion, StoreError> {
        self.db.read(|tx| require(tx, tenant, name, version))
    }

    /// The same, also of a version that was removed.
    ///
    /// # Errors
    /// Those of [`Store::function_version`].
    pub fn function_version_kept(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
        version: Version,
    ) -> Result<FunctionVersion, StoreError> {
        let found = self.db.read(|tx| find(tx, tenant, name, version))?;
        found.ok_or_else(|| StoreError::FunctionMissing(format!("{name}@{version}")))
    }

    /// The number that the next version of a function will have.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn next_function_version(&self, tenant: &TenantName, name: &FunctionName) -> Result<Version, StoreError> {
        self.db.read(|tx| next(tx, tenant, name))
    }
}

/// One more than the highest number, those of removed versions among them.
fn next(tx: &Transaction<'_>, tenant: &TenantName, name: &FunctionName) -> Result<Version, StoreError> {
    let highest = "SELECT version FROM function_version WHERE tenant = ?1 AND name = ?2 ORDER BY version DESC LIMIT 1";
    let highest = tx.prepare_cached(highest)?.query_row((tenant.as_str(), name.as_str()), version).optional()?;
    Ok(highest.map_or(Version::FIRST, Version::next))
}

/// The version that is meant, or a refusal that names it.
fn require(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
    version: Version,
) -> Result<FunctionVersion, StoreError> {
    let sql = format!("{SELECT} WHERE f.tenant = ?1 AND f.name = ?2 AND f.version = ?3 AND f.removed_ms IS NULL");
    let found = list(tx, &sql, params![tenant.as_str(), name.as_str(), version.get()])?;
    found.into_iter().next().ok_or_else(|| StoreError::FunctionMissing(format!("{name}@{version}")))
}

/// One version, also one that was removed.
pub(crate) fn find(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &FunctionName,
    version: Version,
) -> Result<Option<FunctionVersion>, StoreError> {
    let sql = format!("{SELECT} WHERE f.tenant = ?1 AND f.name = ?2 AND f.version = ?3");
    Ok(list(tx, &sql, params![tenant.as_str(), name.as_str(), version.get()])?.into_iter().next())
}

/// Returns the event.
pub(crate) fn insert(
    tx: &Changing<'_>,
    new: &NewFunctionVersion,
    number: Version,
    before: Option<&str>,
) -> Result<i64, StoreError> {
    let (subject, component) = (format!("{}@{number}", new.name), new.component.to_string());
    let after = format!("{number} {component}");
    let note = Note::new("function.deploy", &new.tenant, &subject).detail(&component);
    let event = note.values(before, Some(&after)).write(tx)?;
    Item::function(&new.tenant, new.name.as_str(), &number.to_string()).begins(tx, "", event.id)?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO function_version
         (tenant, name, version, component, compiled_digest, compiled_engine, manifest, created_ms, not_reused, image)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    insert.execute(params![
        new.tenant.as_str(),
        new.name.as_str(),
        number.get(),
        component,
        new.compiled.digest.to_string(),
        new.compiled.engine,
        new.manifest_json,
        event.at_ms,
        new.not_reused,
        new.compiled.image
    ])?;
    let function = tx.last_insert_rowid();
    new.models.iter().try_for_each(|binding| bind(tx, function, &new.tenant, binding))?;
    Ok(event.id)
}

fn bind(tx: &Transaction<'_>, function: i64, user: &TenantName, new: &NewModelBinding) -> Result<(), StoreError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO function_model (function, alias, model)
         SELECT ?1, ?2, id FROM model_version WHERE tenant = ?3 AND name = ?4 AND version = ?5
             AND digest = ?6 AND removed_ms IS NULL AND (tenant = ?7 OR EXISTS (SELECT 1 FROM model_grant g
                 WHERE g.tenant = ?3 AND g.model = ?4 AND g.grantee = ?7))",
    )?;
    let (name, version) = (new.name.as_str(), new.version.get());
    let owner = new.owner.as_str();
    let params = params![function, new.alias, owner, name, version, new.digest.to_string(), user.as_str()];
    match insert.execute(params)? {
        1 => Ok(()),
        _ => Err(StoreError::NoModel { name: new.name.clone(), version: new.version, digest: new.digest }),
    }
}
