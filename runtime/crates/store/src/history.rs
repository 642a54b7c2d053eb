//! What stood when: which versions there were, which was live, how requests were shared out, where labels stood.
//!
//! Every change of these begins or ends a period, in its transaction; a period lasts from one event to another. The order of
//! events is that of their ids, whatever the clock did meanwhile.

mod restore;
mod then;

pub use restore::{Change, Restored};

use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::TenantName;
use rusqlite::{OptionalExtension, Transaction, params};

/// A moment of the history: after one change, and before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

/// Something that stands for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    kind: &'static str,
    tenant: &'a TenantName,
    name: &'a str,
    item: &'a str,
}

impl<'a> Item<'a> {
    /// A version of a function is there.
    pub(crate) fn function(tenant: &'a TenantName, name: &'a str, version: &'a str) -> Self {
        Self { kind: "function", tenant, name, item: version }
    }

    /// A version of a function is live: its number is the value.
    pub(crate) fn live(tenant: &'a TenantName, name: &'a str) -> Self {
        Self { kind: "live", tenant, name, item: "" }
    }

    /// A function's requests are shared out: the value is how.
    pub(crate) fn traffic(tenant: &'a TenantName, name: &'a str) -> Self {
        Self { kind: "traffic", tenant, name, item: "" }
    }

    /// A version of a model is there.
    pub(crate) fn model(tenant: &'a TenantName, name: &'a str, version: &'a str) -> Self {
        Self { kind: "model", tenant, name, item: version }
    }

    /// A label stands at a version: its number is the value.
    pub(crate) fn label(tenant: &'a TenantName, name: &'a str, label: &'a str) -> Self {
        Self { kind: "label", tenant, name, item: label }
    }

    /// It stands with this value from an event on; what stood until then stands no longer.
    pub(crate) fn begins(self, tx: &Transaction<'_>, value: &str, event: i64) -> Result<(), StoreError> {
        let open =
            "SELECT value FROM period WHERE kind = ?1 AND tenant = ?2 AND name = ?3 AND item = ?4 AND until IS NULL";
        let of = (self.kind, self.tenant.as_str(), self.name, self.item);
        let stands: Option<String> = tx.prepare_cached(open)?.query_row(of, |row| row.get(0)).optional()?;
        if stands.as_deref() == Some(value) {
            return Ok(());
        }
        self.ends(tx, event)?;
        let insert = "INSERT INTO period (kind, tenant, name, item, value, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        tx.prepare_cached(insert)?.execute(params![of.0, of.1, of.2, of.3, value, event])?;
        Ok(())
    }

    /// It stands no longer, from an event on.
    pub(crate) fn ends(self, tx: &Transaction<'_>, event: i64) -> Result<(), StoreError> {
        let update = "UPDATE period SET until = ?5
            WHERE kind = ?1 AND tenant = ?2 AND name = ?3 AND item = ?4 AND until IS NULL";
        let of = params![self.kind, self.tenant.as_str(), self.name, self.item, event];
        tx.prepare_cached(update)?.execute(of)?;
        Ok(())
    }
}

impl Store {
    /// The moment that the clock told as `at_ms`, in milliseconds since 1970: after the last change that was made until then.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn moment(&self, at_ms: u64) -> Result<Moment, StoreError> {
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        self.db.read(|tx| moment(tx, at_ms))
    }
}

fn moment(tx: &Transaction<'_>, at_ms: i64) -> Result<Moment, StoreError> {
    // From the newest back: what is asked for is nearly always near.
    let last = "SELECT id FROM event WHERE at_ms <= ?1 ORDER BY id DESC LIMIT 1";
    let id: Option<i64> = tx.prepare_cached(last)?.query_row([at_ms], |row| row.get(0)).optional()?;
    Ok(Moment(id.unwrap_or(0)))
}

/// Forgets what ended before `before_ms`, and the files of models that were removed before.
pub(crate) fn forget(tx: &Transaction<'_>, before_ms: i64) -> Result<(), StoreError> {
    let Moment(until) = moment(tx, before_ms)?;
    tx.execute("DELETE FROM period WHERE until IS NOT NULL AND until <= ?1", [until])?;
    let removed = "DELETE FROM model_file WHERE model IN (SELECT id FROM model_version WHERE removed_ms <= ?1)";
    tx.execute(removed, [before_ms])?;
    let rewrites = "DELETE FROM model_rewrite WHERE model IN (SELECT id FROM model_version WHERE removed_ms <= ?1)";
    tx.execute(rewrites, [before_ms])?;
    Ok(())
}
