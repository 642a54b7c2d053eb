//! A push becomes a version.

use super::{FileEntry, FileRole, ModelVersion, find, id, labels, require, version};
use crate::changes::{Changes, Changing};
use crate::db::to_i64;
use crate::error::StoreError;
use crate::events::Note;
use crate::history::Item;
use crate::store::Store;
use crate::{tenants, uploads};
use modelet_spec::{Digest, Label, ModelName, Pick, TenantName, Version};
use rusqlite::{OptionalExtension, Transaction, params};

/// A push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewModelVersion {
    /// Whose model.
    pub tenant: TenantName,
    /// Which model.
    pub name: ModelName,
    /// Its content, as [`super::content_digest`] has it.
    pub digest: Digest,
    /// Its files; each must have been sent by the tenant, or belong to a version that it has.
    pub files: Vec<FileEntry>,
    /// Its card, as JSON: opaque here.
    pub card_json: String,
    /// Inputs, outputs and what else is known of it: opaque here.
    pub description_json: String,
    /// A label to put at the version.
    pub label: Option<Label>,
}

impl Changes<'_> {
    /// Keeps a push as a new version. The files and the card of the newest version make no new one: that one is returned,
    /// with `created` false (the label moves nevertheless).
    ///
    /// # Errors
    /// [`StoreError::NoTenant`], [`StoreError::NoBlob`], or the metadata cannot be written. Then nothing has changed.
    pub fn put_model(&self, new: &NewModelVersion) -> Result<ModelVersion, StoreError> {
        self.write(|tx| self.put_model_in(tx, new))
    }

    /// A push, in a transaction with what else is to be true then.
    pub(crate) fn put_model_in(&self, tx: &Changing<'_>, new: &NewModelVersion) -> Result<ModelVersion, StoreError> {
        tenants::require(tx, &new.tenant)?;
        tenants::room_for_model(tx, &new.tenant, &new.name)?;
        let files = sorted(new);
        for file in &files {
            if !uploads::holds(tx, &new.tenant, &file.digest)?
                || self.blob_bytes(&new.tenant, &file.digest) != Some(file.bytes)
            {
                return Err(StoreError::NoBlob(file.digest));
            }
        }
        let (number, created) = expected(tx, new, &files)?;
        if created {
            insert(tx, new, number, &files)?;
        }
        for file in &files {
            uploads::settle(tx, &new.tenant, &file.digest)?;
        }
        let pushed = Pick::Version(number);
        if let Some(label) = &new.label {
            labels::put(tx, &require(tx, &new.tenant, &new.name, &pushed)?, label)?;
        }
        Ok(ModelVersion { created, ..require(tx, &new.tenant, &new.name, &pushed)? })
    }
}

impl Store {
    /// The number that a push would have: that of the newest version, where it is the same, else the next. The latter is told apart
    /// by `true`.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn expected_version(&self, new: &NewModelVersion) -> Result<(Version, bool), StoreError> {
        self.db.read(|tx| expected(tx, new, &sorted(new)))
    }
}

fn sorted(new: &NewModelVersion) -> Vec<FileEntry> {
    let mut files = new.files.clone();
    files.sort();
    files
}

/// `files` are sorted.
fn expected(tx: &Transaction<'_>, new: &NewModelVersion, files: &[FileEntry]) -> Result<(Version, bool), StoreError> {
    let newest = find(tx, &new.tenant, &new.name, &Pick::Latest)?;
    match newest.filter(|newest| newest.files == files && newest.card_json == new.card_json) {
        Some(same) => Ok((same.version, false)),
        None => Ok((next(tx, new)?, true)),
    }
}

/// The next number: one more than the highest, removed ones too.
fn next(tx: &Transaction<'_>, new: &NewModelVersion) -> Result<Version, StoreError> {
    let highest = "SELECT version FROM model_version WHERE tenant = ?1 AND name = ?2 ORDER BY version DESC LIMIT 1";
    let of = (new.tenant.as_str(), new.name.as_str());
    let highest = tx.prepare_cached(highest)?.query_row(of, version).optional()?;
    Ok(highest.map_or(Version::FIRST, Version::next))
}

/// Keeps a version under a number that no other has had; `files` are sorted.
pub(crate) fn insert(
    tx: &Changing<'_>,
    new: &NewModelVersion,
    number: Version,
    files: &[FileEntry],
) -> Result<(), StoreError> {
    let subject = format!("{}@{number}", new.name);
    let digest = new.digest.to_string();
    let before = find(tx, &new.tenant, &new.name, &Pick::Latest)?;
    let before = before.map(|newest| format!("{} {}", newest.version, newest.digest));
    let after = format!("{number} {digest}");
    let note = Note::new("model.push", &new.tenant, &subject).detail(&digest);
    let event = note.values(before.as_deref(), Some(&after)).write(tx)?;
    Item::model(&new.tenant, new.name.as_str(), &number.to_string()).begins(tx, "", event.id)?;
    let content = files.iter().filter(|file| file.role != FileRole::Sample);
    let bytes = content.fold(0u64, |sum, file| sum.saturating_add(file.bytes));
    tx.execute(
        "INSERT INTO model_version (tenant, name, version, digest, bytes, card, description, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            new.tenant.as_str(),
            new.name.as_str(),
            number.get(),
            new.digest.to_string(),
            to_i64(bytes, "a model's length")?,
            new.card_json,
            new.description_json,
            event.at_ms
        ],
    )?;
    let model = id(tx, &require(tx, &new.tenant, &new.name, &Pick::Version(number))?)?;
    let mut insert =
        tx.prepare_cached("INSERT INTO model_file (model, path, role, digest, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for file in files {
        let bytes = to_i64(file.bytes, "a file's length")?;
        insert.execute(params![model, file.path.as_str(), file.role.to_string(), file.digest.to_string(), bytes])?;
    }
    Ok(())
}
