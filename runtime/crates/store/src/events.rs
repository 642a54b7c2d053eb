//! What changed, when, by whom, and from what to what: the audit. No row is ever changed or taken away, and each is chained to the one
//! before ([`crate::chain`]).

mod list;

pub use list::AuditQuery;

use crate::actor::Actor;
use crate::chain;
use crate::changes::Changing;
use crate::db::lossy;
use crate::error::StoreError;
use crate::things::Thing;
use modelet_spec::TenantName;
use rusqlite::{Row, params};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most bytes of a value before and after.
const VALUE_BYTES_MAX: usize = 4096;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Counts up by one from 1; never used twice.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was done: `model.push`, `model.label`, `model.unlabel`, `model.remove`, `model.grant`, `model.revoke`, `model.pin`,
    /// `model.unpin`, `function.deploy`, `function.compile`, `function.rollback`, `function.traffic`, `function.scale`,
    /// `function.remove`, `key.put`, `key.rotate`, `key.revoke`, `secret.set`, `secret.remove`, `secret.reseal`, `secret.export`, `tenant.create`, `tenant.claims`, `tenant.limits`, `tenant.remove`, `tenant.import`, `function.import`; and where all goes
    /// back to an earlier moment: `tenant.restore`, `function.restore`, `function.stop`, `model.restore`; of the server itself:
    /// `server.start`, `server.collect`.
    pub kind: String,
    /// To whose thing: a tenant's name, unless somebody has changed the row.
    pub tenant: String,
    /// To which thing, such as `magika@2`.
    pub subject: String,
    /// What else is worth to know, such as a digest. No secrets.
    pub detail: String,
    /// What stood before: a version, a digest, a value.
    pub before: Option<String>,
    /// What stands since.
    pub after: Option<String>,
    /// Who did it; `None`: the change is older than this was written down, or the row names nobody.
    pub by: Option<Actor>,
    /// What chains it to the one before; `None`: no hash is there.
    pub hash: Option<[u8; 32]>,
}

/// A change that has been noted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) id: i64,
    pub(crate) at_ms: i64,
}

/// A change that is to be noted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note<'a> {
    kind: &'a str,
    tenant: &'a TenantName,
    subject: &'a str,
    detail: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl<'a> Note<'a> {
    pub(crate) fn new(kind: &'a str, tenant: &'a TenantName, subject: &'a str) -> Self {
        Self { kind, tenant, subject, detail: "", before: None, after: None }
    }

    /// What else is worth to know.
    pub(crate) fn detail(self, detail: &'a str) -> Self {
        Self { detail, ..self }
    }

    /// What stood before, and what stands since; no secrets. What is very long is cut.
    pub(crate) fn values(self, before: Option<&'a str>, after: Option<&'a str>) -> Self {
        Self { before: before.map(cut), after: after.map(cut), ..self }
    }

    /// Notes it in its own transaction.
    pub(crate) fn write(self, tx: &Changing<'_>) -> Result<Noted, StoreError> {
        let at_ms = now_ms();
        let insert = "INSERT INTO event (at_ms, kind, tenant, subject, detail, value_before, value_after,
            actor, actor_tenant, actor_scopes, remote) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let Self { kind, tenant, subject, detail, before, after } = self;
        let thing = Thing::of_event(kind, tenant, subject);
        thing.as_ref().map_or(Ok(()), |thing| tx.changes(thing))?;
        let [actor, of, scopes, remote] = tx.by.columns();
        let row = params![at_ms, kind, tenant.as_str(), subject, detail, before, after, actor, of, scopes, remote];
        tx.prepare_cached(insert)?.execute(row)?;
        let id = tx.last_insert_rowid();
        chain::add(tx, id)?;
        thing.map_or(Ok(()), |thing| thing.changed(tx, id))?;
        Ok(Noted { id, at_ms })
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(VALUE_BYTES_MAX)).unwrap_or(text)
}

/// Milliseconds since 1970; 0 for a clock that is before.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whatever is there is told: a row that somebody has changed must not hide itself and the others. [`Store::verify_audit`] names it.
///
/// [`Store::verify_audit`]: crate::Store::verify_audit
fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let text = |column: &str| Ok::<_, rusqlite::Error>(lossy(row, column)?.unwrap_or_default());
    Ok(Event {
        id: row.get("id")?,
        at_ms: u64::try_from(row.get::<_, i64>("at_ms")?).unwrap_or(0),
        kind: text("kind")?,
        tenant: text("tenant")?,
        subject: text("subject")?,
        detail: text("detail")?,
        before: lossy(row, "value_before")?,
        after: lossy(row, "value_after")?,
        by: Actor::read(row)?,
        hash: chain::hash_of(row, "hash")?,
    })
}
