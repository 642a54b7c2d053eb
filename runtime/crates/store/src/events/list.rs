//! Changes, listed.

use super::{Event, Note, event};
use crate::changes::Changes;
use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::TenantName;
use rusqlite::params;
use rusqlite::types::ToSql;

/// Which changes are meant. What is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery<'a> {
    /// Of this tenant's things.
    pub tenant: Option<&'a TenantName>,
    /// Of this kind: `key.put`, or `key` for all that begin with `key.`.
    pub kind: Option<&'a str>,
    /// Of this thing: `magika@2`, or `magika` for all versions of it, too.
    pub subject: Option<&'a str>,
    /// Not before, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Not after.
    pub until_ms: Option<u64>,
    /// Those before the one with this id.
    pub before: Option<i64>,
    /// So many at most.
    pub count_max: u32,
}

impl Store {
    /// At most `count_max` changes after the one with the id `after` (0: from the first), oldest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn events(&self, after: i64, count_max: u32) -> Result<Vec<Event>, StoreError> {
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT * FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let rows = query.query_map(params![after, count_max], event)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Changes, the newest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn audit(&self, query: &AuditQuery<'_>) -> Result<Vec<Event>, StoreError> {
        let number = |number: Option<u64>| number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let tenant = query.tenant.map(TenantName::as_str);
        let kind = query.kind.map(|kind| (kind, format!("{kind}."), format!("{kind}/")));
        let subject = query.subject.map(|subject| (subject, format!("{subject}@"), format!("{subject}A")));
        let (since, until) = (number(query.since_ms), number(query.until_ms));
        let mut sql = "SELECT * FROM event WHERE true".to_owned();
        let mut values: Vec<&dyn ToSql> = Vec::new();
        // Only what is asked for is in the text: else no index would be used.
        for (column, value) in [
            ("tenant =", tenant.as_ref().map(|v| v as &dyn ToSql)),
            ("at_ms >=", since.as_ref().map(|v| v as _)),
            ("at_ms <=", until.as_ref().map(|v| v as _)),
            ("id <", query.before.as_ref().map(|v| v as _)),
        ] {
            if let Some(value) = value {
                sql.push_str(&format!(" AND {column} ?"));
                values.push(value);
            }
        }
        // `.` comes right before `/`, and `@` right before `A`: a beginning is a range.
        for (column, value) in [("kind", &kind), ("subject", &subject)] {
            if let Some((whole, from, to)) = value {
                sql.push_str(&format!(" AND ({column} = ? OR ({column} >= ? AND {column} < ?))"));
                values.extend([whole as &dyn ToSql, from, to]);
            }
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(&query.count_max);
        self.db.read(|tx| {
            let mut query = tx.prepare_cached(&sql)?;
            let rows = query.query_map(values.as_slice(), event)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

impl Changes<'_> {
    /// Notes something that changes nothing here and is worth to be known: `kind` and what of it.
    ///
    /// # Errors
    /// When the metadata cannot be written.
    pub fn note(&self, kind: &str, tenant: &TenantName, subject: &str, detail: &str) -> Result<u64, StoreError> {
        let noted = self.write(|tx| Note::new(kind, tenant, subject).detail(detail).write(tx))?;
        Ok(u64::try_from(noted.id).unwrap_or(0))
    }
}
