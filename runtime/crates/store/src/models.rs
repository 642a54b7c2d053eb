//! Versions of models: numbered, never changed, with the labels that stand at them.
//!
//! A version is some files and a card. Its digest is that of its content ([`content_digest`]); what was removed is in no
//! listing and its number is never used again.

mod content;
pub(crate) mod labels;
pub(crate) mod put;
pub(crate) mod remove;
mod rewrites;

pub use content::content_digest;
pub use put::NewModelVersion;
pub use remove::Removal;
pub(crate) use remove::remove_all;

use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::store::Store;
use crate::things::Revision;
use modelet_spec::{Digest, FilePath, Label, ModelName, Pick, TenantName, Version};
use rusqlite::{OptionalExtension, Params, Row, Transaction, params};
use std::fmt;
use std::str::FromStr;

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// Whose model.
    pub tenant: TenantName,
    /// Which model.
    pub name: ModelName,
    /// Which version of it.
    pub version: Version,
    /// Its content.
    pub digest: Digest,
    /// The length of its files together, in bytes; samples not counted.
    pub bytes: u64,
    /// Its files, sorted by path.
    pub files: Vec<FileEntry>,
    /// Its card, as JSON: opaque here.
    pub card_json: String,
    /// As it was pushed.
    pub description_json: String,
    /// The labels that stand at it, sorted.
    pub labels: Vec<Label>,
    /// When it was pushed, in milliseconds since 1970.
    pub created_ms: u64,
    /// Whether the call that returned this made it; `false` in listings.
    pub created: bool,
    /// That of the model, with all its versions.
    pub revision: Revision,
}

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    /// Where it lies in the model's folder.
    pub path: FilePath,
    /// What it is for.
    pub role: FileRole,
    /// Its content.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What a file of a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileRole {
    /// The ONNX file itself; each version has one.
    Model,
    /// Weights that the ONNX file refers to.
    Data,
    /// A request to try the model with.
    Sample,
}

impl ModelVersion {
    /// The ONNX file among its files.
    #[must_use]
    pub fn main(&self) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.role == FileRole::Model)
    }
}

impl fmt::Display for FileRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Data => "data",
            Self::Sample => "sample",
        })
    }
}

/// A word that is no role of a file.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not what a model's file is for")]
pub struct RoleError(String);

impl FromStr for FileRole {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let roles = [Self::Model, Self::Data, Self::Sample];
        roles.into_iter().find(|role| role.to_string() == text).ok_or_else(|| RoleError(text.to_owned()))
    }
}

/// The columns of [`ModelVersion`]; the labels as one text with spaces between.
pub(crate) const SELECT: &str = "SELECT v.*, (SELECT group_concat(l.label, ' ' ORDER BY l.label) FROM model_label l
    WHERE l.tenant = v.tenant AND l.name = v.name AND l.version = v.version) AS labels, (SELECT revision FROM revision_told r
    WHERE r.kind = 'model' AND r.tenant = v.tenant AND r.name = v.name) AS revision
    FROM model_version v WHERE v.removed_ms IS NULL";

/// Of the versions of a model the newest.
const NEWEST: &str = "v.version = (SELECT max(n.version) FROM model_version n
    WHERE n.tenant = v.tenant AND n.name = v.name AND n.removed_ms IS NULL)";

impl Store {
    /// The newest version of each model, of one tenant or of all, sorted by tenant and name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn models(&self, tenant: Option<&TenantName>) -> Result<Vec<ModelVersion>, StoreError> {
        let sql = format!("{SELECT} AND (?1 IS NULL OR v.tenant = ?1) AND {NEWEST} ORDER BY v.tenant, v.name");
        self.db.read(|tx| list(tx, &sql, [tenant.map(TenantName::as_str)]))
    }

    /// The newest versions of at most `count_max` models of a tenant whose names come after `after`, sorted by name; an empty `after`:
    /// from the first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn models_after(
        &self,
        tenant: &TenantName,
        after: &str,
        count_max: u32,
    ) -> Result<Vec<ModelVersion>, StoreError> {
        let sql = format!("{SELECT} AND v.tenant = ?1 AND v.name > ?2 AND {NEWEST} ORDER BY v.name LIMIT ?3");
        self.db.read(|tx| list(tx, &sql, (tenant.as_str(), after, count_max)))
    }

    /// One version of a model.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn model(
        &self,
        tenant: &TenantName,
        name: &ModelName,
        pick: &Pick,
    ) -> Result<Option<ModelVersion>, StoreError> {
        self.db.read(|tx| find(tx, tenant, name, pick))
    }

    /// All versions of a model, the newest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn model_versions(&self, tenant: &TenantName, name: &ModelName) -> Result<Vec<ModelVersion>, StoreError> {
        let sql = format!("{SELECT} AND v.tenant = ?1 AND v.name = ?2 ORDER BY v.version DESC");
        self.db.read(|tx| list(tx, &sql, params![tenant.as_str(), name.as_str()]))
    }
}

/// The version that is meant.
pub(crate) fn find(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &ModelName,
    pick: &Pick,
) -> Result<Option<ModelVersion>, StoreError> {
    let (tenant, name) = (tenant.as_str(), name.as_str());
    let of_model = format!("{SELECT} AND v.tenant = ?1 AND v.name = ?2");
    let one = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<Option<ModelVersion>, StoreError> {
        Ok(list(tx, sql, params)?.into_iter().next())
    };
    match pick {
        Pick::Latest => one(&format!("{of_model} ORDER BY v.version DESC LIMIT 1"), params![tenant, name]),
        Pick::Version(version) => one(&format!("{of_model} AND v.version = ?3"), params![tenant, name, version.get()]),
        Pick::Label(label) => {
            let labelled = "SELECT version FROM model_label WHERE tenant = ?1 AND name = ?2 AND label = ?3";
            one(&format!("{of_model} AND v.version = ({labelled})"), params![tenant, name, label.as_str()])
        }
    }
}

/// One version, also one that was removed: without labels then.
pub(crate) fn find_kept(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &ModelName,
    version: Version,
) -> Result<Option<ModelVersion>, StoreError> {
    let labels = "SELECT group_concat(l.label, ' ' ORDER BY l.label) FROM model_label l
        WHERE l.tenant = v.tenant AND l.name = v.name AND l.version = v.version";
    let sql = format!(
        "SELECT v.*, ({labels}) AS labels, NULL AS revision FROM model_version v WHERE v.tenant = ?1 AND v.name = ?2 AND v.version = ?3"
    );
    Ok(list(tx, &sql, params![tenant.as_str(), name.as_str(), version.get()])?.into_iter().next())
}

/// The version that is meant, or a refusal that names it.
pub(crate) fn require(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &ModelName,
    pick: &Pick,
) -> Result<ModelVersion, StoreError> {
    find(tx, tenant, name, pick)?.ok_or_else(|| StoreError::ModelMissing(written(name, Some(pick))))
}

/// A model as its owner writes it.
fn written(name: &ModelName, pick: Option<&Pick>) -> String {
    match pick {
        None | Some(Pick::Latest) => name.to_string(),
        Some(pick) => format!("{name}@{pick}"),
    }
}

pub(crate) fn list(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<ModelVersion>, StoreError> {
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params, |row| Ok((row.get::<_, i64>("id")?, model(row)?)))?;
    let mut found = rows.collect::<Result<Vec<_>, _>>()?;
    for (id, model) in &mut found {
        model.files = files(tx, *id)?;
    }
    Ok(found.into_iter().map(|(_, model)| model).collect())
}

fn model(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    let labels: Option<String> = row.get("labels")?;
    let labels = labels.unwrap_or_default();
    Ok(ModelVersion {
        tenant: parsed(row, "tenant")?,
        name: parsed(row, "name")?,
        version: version(row)?,
        digest: parsed(row, "digest")?,
        bytes: unsigned(row, "bytes")?,
        files: Vec::new(),
        card_json: row.get("card")?,
        description_json: row.get("description")?,
        labels: labels.split_whitespace().filter_map(|label| label.parse().ok()).collect(),
        created_ms: unsigned(row, "created_ms")?,
        created: false,
        revision: Revision::read(row)?,
    })
}

fn files(tx: &Transaction<'_>, model: i64) -> Result<Vec<FileEntry>, StoreError> {
    let mut query = tx.prepare_cached("SELECT * FROM model_file WHERE model = ?1 ORDER BY path")?;
    let rows = query.query_map([model], |row| {
        Ok(FileEntry {
            path: parsed(row, "path")?,
            role: parsed(row, "role")?,
            digest: parsed(row, "digest")?,
            bytes: unsigned(row, "bytes")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The row of a version.
fn id(tx: &Transaction<'_>, model: &ModelVersion) -> Result<i64, StoreError> {
    let of = params![model.tenant.as_str(), model.name.as_str(), model.version.get()];
    let sql = "SELECT id FROM model_version WHERE tenant = ?1 AND name = ?2 AND version = ?3";
    let found = tx.query_row(sql, of, |row| row.get(0)).optional()?;
    Ok(found.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
}

/// The column `version`.
pub(crate) fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let number: u32 = row.get("version")?;
    Version::new(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, 0))
}
