//! A listing of what was used, a page at a time.

use super::{COLUMNS, UsageSpan, counts};
use crate::db::{parsed, to_i64, unsigned};
use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::{FunctionName, TenantName, UsageCounts, Used, UsedKind};
use rusqlite::named_params;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// Whose; `None`: all tenants'.
    pub tenant: Option<TenantName>,
    /// This function alone, or together with `model`.
    pub function: Option<FunctionName>,
    /// This model alone, as its user names it, or together with `function`.
    pub model: Option<String>,
    /// Only functions, or only models.
    pub kind: Option<UsedKind>,
    /// In what steps it is looked at.
    pub span: UsageSpan,
    /// From the step that begins then, in seconds since 1970.
    pub since_s: u64,
    /// To those that begin before.
    pub until_s: u64,
    /// Whether all steps, and the versions or devices, are one row.
    pub is_sum: bool,
    /// Behind this row.
    pub after: Option<UsagePlace>,
    /// So many rows at most.
    pub rows_max: u32,
}

/// A row's place in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePlace {
    /// When it begins; 0 in sums.
    pub start_s: u64,
    /// Whose and of what; without a part in sums.
    pub used: Used,
}

/// What was used of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Where it stands.
    pub place: UsagePlace,
    /// How much.
    pub counts: UsageCounts,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsagePage {
    /// The rows: by tenant, then by time.
    pub rows: Vec<UsageRow>,
    /// Whether there are more behind the last one.
    pub has_more: bool,
}

impl Store {
    /// What was used, a page at a time.
    ///
    /// # Errors
    /// The books cannot be read.
    pub fn usage(&self, query: &UsageQuery) -> Result<UsagePage, StoreError> {
        let rows_max = usize::try_from(query.rows_max).unwrap_or(usize::MAX).max(1);
        let mut rows = self.rows(query, rows_max)?;
        let has_more = rows.len() > rows_max;
        rows.truncate(rows_max);
        Ok(UsagePage { rows, has_more })
    }

    /// One row more than a page has, if there is one.
    fn rows(&self, query: &UsageQuery, rows_max: usize) -> Result<Vec<UsageRow>, StoreError> {
        let sql = sql();
        // Of all tenants: no name is empty, and none has a letter behind `z`.
        let (first, last) = query.tenant.as_ref().map_or(("", "~"), |tenant| (tenant.as_str(), tenant.as_str()));
        let after = query.after.as_ref();
        let start = after.map_or(0, |place| place.start_s);
        self.books.read(|tx| {
            let mut prepared = tx.prepare_cached(&sql)?;
            let found = prepared.query_map(
                named_params! {
                    ":first": first,
                    ":last": last,
                    ":span": to_i64(query.span.seconds(), "a span")?,
                    ":since": i64::try_from(query.since_s).unwrap_or(i64::MAX),
                    ":until": i64::try_from(query.until_s).unwrap_or(i64::MAX),
                    ":kind": query.kind.map(UsedKind::name),
                    ":function": query.function.as_ref().map(FunctionName::as_str),
                    ":model": query.model,
                    ":sum": query.is_sum,
                    ":tenant": after.map_or("", |place| place.used.tenant.as_str()),
                    ":at": i64::try_from(start).unwrap_or(i64::MAX),
                    ":of_kind": after.map_or("", |place| place.used.kind.name()),
                    ":name": after.map_or("", |place| place.used.name.as_str()),
                    ":part": after.map_or("", |place| place.used.part.as_str()),
                    ":rows": i64::try_from(rows_max).unwrap_or(i64::MAX).saturating_add(1),
                },
                |row| {
                    let used = Used {
                        tenant: parsed(row, "tenant")?,
                        kind: parsed(row, "kind")?,
                        name: row.get("name")?,
                        part: row.get("part_shown")?,
                    };
                    let place = UsagePlace { start_s: unsigned(row, "start_shown")?, used };
                    Ok(UsageRow { place, counts: counts(row)? })
                },
            )?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }
}

fn sql() -> String {
    let sums = COLUMNS.map(|column| format!("sum({column}) AS {column}")).join(", ");
    format!(
        "SELECT * FROM (
            SELECT tenant, iif(:sum, 0, start) AS start_shown, kind, name, iif(:sum, '', part) AS part_shown, {sums}
            FROM usage
            WHERE tenant BETWEEN :first AND :last AND span = :span AND start >= :since AND start < :until
                AND (:kind IS NULL OR kind = :kind)
                AND ((:function IS NULL AND :model IS NULL) OR (kind = 'function' AND name = :function)
                    OR (kind = 'model' AND name = :model))
            GROUP BY tenant, start_shown, kind, name, part_shown)
        WHERE (tenant, start_shown, kind, name, part_shown) > (:tenant, :at, :of_kind, :name, :part)
        ORDER BY tenant, start_shown, kind, name, part_shown LIMIT :rows"
    )
}
