//! What changed, and when.

use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::TenantName;
use rusqlite::{Transaction, params};
use std::time::{SystemTime, UNIX_EPOCH};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Counts up; never used twice.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was done: `model.push`, `model.label`, `model.unlabel`, `model.remove`, `model.grant`, `model.revoke`, `function.deploy`,
    /// `function.compile`, `function.rollback`, `function.traffic`, `function.remove`, `key.put`, `key.rotate`, `key.revoke`,
    /// `secret.set`, `secret.remove`, `secret.reseal`, `tenant.create`, `tenant.claims`, `tenant.limits`, `tenant.remove`; with what
    /// came in by an import also `tenant.import` and `function.import`; and where all goes back to an earlier moment: `tenant.restore`,
    /// `function.restore`, `function.stop`, `model.restore`.
    pub kind: String,
    /// To whose thing.
    pub tenant: TenantName,
    /// To which thing, such as `magika@2`.
    pub subject: String,
    /// What else is worth to know, such as a digest. No secrets.
    pub detail: String,
}

impl Store {
    /// At most `count_max` changes after the one with the id `after` (0: from the first), oldest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn events(&self, after: u64, count_max: u32) -> Result<Vec<Event>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT * FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let rows = query.query_map(params![after, count_max], |row| {
                Ok(Event {
                    id: unsigned(row, "id")?,
                    at_ms: unsigned(row, "at_ms")?,
                    kind: row.get("kind")?,
                    tenant: parsed(row, "tenant")?,
                    subject: row.get("subject")?,
                    detail: row.get("detail")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// A change that has been noted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) id: i64,
    pub(crate) at_ms: i64,
}

/// Notes a change in its own transaction; returns its time.
pub(crate) fn note(
    tx: &Transaction<'_>,
    kind: &str,
    tenant: &TenantName,
    subject: &str,
    detail: &str,
) -> Result<i64, StoreError> {
    Ok(noted(tx, kind, tenant, subject, detail)?.at_ms)
}

/// The same, for a change with which something begins or ends to stand ([`crate::history`]).
pub(crate) fn noted(
    tx: &Transaction<'_>,
    kind: &str,
    tenant: &TenantName,
    subject: &str,
    detail: &str,
) -> Result<Noted, StoreError> {
    let at_ms = now_ms();
    let insert = "INSERT INTO event (at_ms, kind, tenant, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.prepare_cached(insert)?.execute(params![at_ms, kind, tenant.as_str(), subject, detail])?;
    Ok(Noted { id: tx.last_insert_rowid(), at_ms })
}

/// Milliseconds since 1970; 0 for a clock that is before.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
