//! Versions of models, and the labels that stand at them.

use crate::db::{parsed, to_i64, unsigned};
use crate::error::StoreError;
use crate::events::note;
use crate::store::Store;
use crate::tenants;
use modelet_spec::{Digest, Label, ModelName, Pick, TenantName, Version};
use rusqlite::{OptionalExtension, Params, Row, Transaction, params};

/// A push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewModelVersion {
    /// Whose model.
    pub tenant: TenantName,
    /// Which model.
    pub name: ModelName,
    /// Its content; must be in the store.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// Inputs, outputs and what else is known of it: opaque here.
    pub description_json: String,
    /// A label to put at the version.
    pub label: Option<Label>,
}

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
    /// Its length in bytes.
    pub bytes: u64,
    /// As it was pushed.
    pub description_json: String,
    /// The labels that stand at it, sorted.
    pub labels: Vec<Label>,
    /// When it was pushed, in milliseconds since 1970.
    pub created_ms: u64,
    /// Whether the call that returned this made it; `false` in listings.
    pub created: bool,
}

/// The columns of [`ModelVersion`]; the labels as one text with spaces between.
const SELECT: &str = "SELECT v.*, (SELECT group_concat(l.label, ' ' ORDER BY l.label) FROM model_label l
    WHERE l.tenant = v.tenant AND l.name = v.name AND l.version = v.version) AS labels FROM model_version v";

impl Store {
    /// Keeps a push as a new version. The content of the newest version makes no new one: that one is returned, with
    /// `created` false (the label moves nevertheless).
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], [`StoreError::NoBlob`], or the metadata cannot be written.
    pub fn put_model(&self, new: &NewModelVersion) -> Result<ModelVersion, StoreError> {
        if !self.has_blob(&new.digest) {
            return Err(StoreError::NoBlob(new.digest));
        }
        self.db.write(|tx| {
            tenants::require(tx, &new.tenant)?;
            let newest = find(tx, &new.tenant, &new.name, &Pick::Latest)?;
            let (version, created) = match &newest {
                Some(newest) if newest.digest == new.digest => (newest.version, false),
                Some(newest) => (newest.version.next(), true),
                None => (Version::FIRST, true),
            };
            if created {
                insert(tx, new, version)?;
            }
            if let Some(label) = &new.label {
                move_label(tx, new, label, version)?;
            }
            let made = find(tx, &new.tenant, &new.name, &Pick::Version(version))?;
            let made = made.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            Ok(ModelVersion { created, ..made })
        })
    }

    /// The newest version of each model, of one tenant or of all, sorted by tenant and name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn models(&self, tenant: Option<&TenantName>) -> Result<Vec<ModelVersion>, StoreError> {
        let newest =
            "v.version = (SELECT max(n.version) FROM model_version n WHERE n.tenant = v.tenant AND n.name = v.name)";
        let sql = format!("{SELECT} WHERE (?1 IS NULL OR v.tenant = ?1) AND {newest} ORDER BY v.tenant, v.name");
        self.db.read(|tx| list(tx, &sql, [tenant.map(TenantName::as_str)]))
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
        let sql = format!("{SELECT} WHERE v.tenant = ?1 AND v.name = ?2 ORDER BY v.version DESC");
        self.db.read(|tx| list(tx, &sql, params![tenant.as_str(), name.as_str()]))
    }
}

fn insert(tx: &Transaction<'_>, new: &NewModelVersion, version: Version) -> Result<(), StoreError> {
    let subject = format!("{}@{version}", new.name);
    let at_ms = note(tx, "model.push", &new.tenant, &subject, &new.digest.to_string())?;
    tx.execute(
        "INSERT INTO model_version (tenant, name, version, digest, bytes, description, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            new.tenant.as_str(),
            new.name.as_str(),
            version.get(),
            new.digest.to_string(),
            to_i64(new.bytes, "a model's length")?,
            new.description_json,
            at_ms
        ],
    )?;
    Ok(())
}

fn move_label(tx: &Transaction<'_>, new: &NewModelVersion, label: &Label, version: Version) -> Result<(), StoreError> {
    let moved = tx.execute(
        "INSERT INTO model_label (tenant, name, label, version) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, name, label) DO UPDATE SET version = ?4 WHERE version <> ?4",
        params![new.tenant.as_str(), new.name.as_str(), label.as_str(), version.get()],
    )?;
    if moved > 0 {
        note(tx, "model.label", &new.tenant, &format!("{}@{version}", new.name), label.as_str())?;
    }
    Ok(())
}

fn find(
    tx: &Transaction<'_>,
    tenant: &TenantName,
    name: &ModelName,
    pick: &Pick,
) -> Result<Option<ModelVersion>, StoreError> {
    let (tenant, name) = (tenant.as_str(), name.as_str());
    let of_model = format!("{SELECT} WHERE v.tenant = ?1 AND v.name = ?2");
    let one = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<Option<ModelVersion>, StoreError> {
        Ok(tx.prepare_cached(sql)?.query_row(params, model).optional()?)
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

fn list(tx: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<ModelVersion>, StoreError> {
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params, model)?;
    Ok(rows.collect::<Result<_, _>>()?)
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
        description_json: row.get("description")?,
        labels: labels.split_whitespace().filter_map(|label| label.parse().ok()).collect(),
        created_ms: unsigned(row, "created_ms")?,
        created: false,
    })
}

/// The column `version`.
pub(crate) fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let number: u32 = row.get("version")?;
    Version::new(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, 0))
}
