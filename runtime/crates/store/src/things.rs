//! Things that can be changed, and which change of each was the last.

use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::{FunctionName, ModelName, SecretName, TenantName};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::fmt;

/// Something that is changed as one: whatever is changed of it, it has another revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    kind: Kind,
    tenant: TenantName,
    name: String,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With its versions, how requests are shared out among them, and how many instances are kept warm.
    Function,
    /// With its versions, labels, pins and grants.
    Model,
    /// What it may claim and have.
    Tenant,
    Key,
    Secret,
}

/// Which change of a thing was the last: the beginning of its event's hash, which tells nothing of other things. Never the same again,
/// also not in a database that was put back to an earlier state and went on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Thing {
    /// A function.
    #[must_use]
    pub fn function(tenant: &TenantName, name: &FunctionName) -> Self {
        Self::of(Kind::Function, tenant, name.as_str())
    }

    /// A model.
    #[must_use]
    pub fn model(tenant: &TenantName, name: &ModelName) -> Self {
        Self::of(Kind::Model, tenant, name.as_str())
    }

    /// A tenant.
    #[must_use]
    pub fn tenant(name: &TenantName) -> Self {
        Self::of(Kind::Tenant, name, name.as_str())
    }

    /// A key.
    #[must_use]
    pub fn key(tenant: &TenantName, id: &str) -> Self {
        Self::of(Kind::Key, tenant, id)
    }

    /// A secret.
    #[must_use]
    pub fn secret(tenant: &TenantName, name: &SecretName) -> Self {
        Self::of(Kind::Secret, tenant, name.as_str())
    }

    /// The thing that an event is about, if it changes one.
    pub(crate) fn of_event(kind: &str, tenant: &TenantName, subject: &str) -> Option<Self> {
        let kind = match kind {
            // Code that was made anew, values under another seal and what was only read are the same to whoever asks; what goes back has
            // events of its own.
            "function.compile" | "secret.reseal" | "secret.export" | "tenant.restore" => None,
            kind => Kind::of(kind.split_once('.')?.0),
        }?;
        Some(Self::of(kind, tenant, subject.split('@').next().unwrap_or(subject)))
    }

    fn of(kind: Kind, tenant: &TenantName, name: &str) -> Self {
        Self { kind, tenant: tenant.clone(), name: name.to_owned() }
    }

    /// Its revision; `None`: there is no such thing.
    pub(crate) fn revision(&self, tx: &Transaction<'_>) -> Result<Option<Revision>, StoreError> {
        let there = match self.kind {
            Kind::Function => "function_alias WHERE tenant = ?2 AND name = ?3 AND alias = 'live'",
            Kind::Model => "model_version WHERE tenant = ?2 AND name = ?3 AND removed_ms IS NULL",
            Kind::Tenant => "tenant WHERE name = ?2 AND name = ?3 AND removed_ms IS NULL",
            Kind::Key => "key WHERE tenant = ?2 AND id = ?3",
            Kind::Secret => "secret WHERE tenant = ?2 AND name = ?3",
        };
        let sql = format!(
            "SELECT (SELECT revision FROM revision_told WHERE kind = ?1 AND tenant = ?2 AND name = ?3) AS revision
             WHERE EXISTS (SELECT 1 FROM {there})"
        );
        let mut query = tx.prepare_cached(&sql)?;
        let of = params![self.kind.text(), self.tenant.as_str(), self.name];
        Ok(query.query_row(of, Revision::read).optional()?)
    }

    /// Writes down that an event was the last change of it.
    pub(crate) fn changed(&self, tx: &Transaction<'_>, event: i64) -> Result<(), StoreError> {
        let upsert = "INSERT INTO revision (kind, tenant, name, event) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (kind, tenant, name) DO UPDATE SET event = ?4";
        tx.prepare_cached(upsert)?.execute(params![self.kind.text(), self.tenant.as_str(), self.name, event])?;
        Ok(())
    }
}

impl Store {
    /// A thing's revision; `None`: there is no such thing.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn revision(&self, thing: &Thing) -> Result<Option<Revision>, StoreError> {
        self.db.read(|tx| thing.revision(tx))
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} `{}`", self.kind.text(), self.name)
    }
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Model => "model",
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Secret => "secret",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Function, Self::Model, Self::Tenant, Self::Key, Self::Secret]
            .into_iter()
            .find(|kind| kind.text() == text)
    }
}

impl Revision {
    /// The column `revision`; NULL is what was there before there were events.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self(row.get::<_, Option<String>>("revision")?.unwrap_or_else(|| "0".to_owned())))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Revision {
    /// That of a thing which is not in the store.
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
