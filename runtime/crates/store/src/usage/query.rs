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
        let sql = sql(query.tenant.is_some(), query.is_sum);
        let after = query.after.as_ref();
        let after_start = after.map_or(0, |place| place.start_s);
        // Nothing before the last row of the page before is looked at again.
        let since = if query.tenant.is_some() { query.since_s.max(after_start) } else { query.since_s };
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let after_tenant = after.map_or("", |place| place.used.tenant.as_str());
        let tenant = query.tenant.as_ref().map_or(after_tenant, TenantName::as_str);
        self.books.read(|tx| {
            let mut prepared = tx.prepare_cached(&sql)?;
            let found = prepared.query_map(
                named_params! {
                    ":tenant": tenant,
                    ":span": to_i64(query.span.seconds(), "a span")?,
                    ":since": seconds(since),
                    ":until": seconds(query.until_s),
                    ":kind": query.kind.map(UsedKind::name),
                    ":function": query.function.as_ref().map(FunctionName::as_str),
                    ":model": query.model,
                    ":after_tenant": after_tenant,
                    ":after_start": seconds(after_start),
                    ":after_kind": after.map_or("", |place| place.used.kind.name()),
                    ":after_name": after.map_or("", |place| place.used.name.as_str()),
                    ":after_part": after.map_or("", |place| place.used.part.as_str()),
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

/// A text of its own for each way of asking: for one that serves all, no index could be used. Of one tenant, rows lie in the order in which
/// they are listed; of all, those of the time that is meant lie together.
fn sql(is_of_tenant: bool, is_sum: bool) -> String {
    let whose = if is_of_tenant { "tenant = :tenant" } else { "tenant >= :tenant" };
    let columns = COLUMNS.map(|column| if is_sum { format!("sum({column}) AS {column}") } else { column.to_owned() });
    let columns = columns.join(", ");
    let (start, part, group) = if is_sum { ("0", "''", "GROUP BY tenant, kind, name") } else { ("start", "part", "") };
    format!(
        "SELECT tenant, {start} AS start_shown, kind, name, {part} AS part_shown, {columns} FROM usage
        WHERE {whose} AND span = :span AND start >= :since AND start < :until
            AND (:kind IS NULL OR kind = :kind)
            AND ((:function IS NULL AND :model IS NULL) OR (kind = 'function' AND name = :function)
                OR (kind = 'model' AND name = :model))
            AND (tenant, {start}, kind, name, {part})
                > (:after_tenant, :after_start, :after_kind, :after_name, :after_part)
        {group} ORDER BY tenant, start_shown, kind, name, part_shown LIMIT :rows"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(store: &Store, sql: &str) -> String {
        let plan = store.books.read(|tx| {
            let mut query = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let rows = query.raw_query().mapped(|row| row.get::<_, String>("detail"));
            Ok(rows.collect::<Result<Vec<_>, _>>()?.join("; "))
        });
        plan.unwrap()
    }

    #[test]
    fn a_listing_looks_at_rows_of_its_time_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        for is_sum in [false, true] {
            let of_one = plan(&store, &sql(true, is_sum));
            assert!(of_one.contains("PRIMARY KEY (tenant=? AND span=? AND start>? AND start<?)"), "{of_one}");
            assert_eq!(of_one.contains("TEMP B-TREE"), is_sum, "listed as they lie: {of_one}");
            let of_all = plan(&store, &sql(false, is_sum));
            assert!(of_all.contains("usage_by_start (span=? AND start>? AND start<?)"), "{of_all}");
        }
        for (wanted, sql) in [
            ("usage_by_start (span=? AND start=?)", super::super::sql_of_day()),
            ("usage_by_start (span=? AND start<?)", super::super::TRIM.to_owned()),
        ] {
            let plan = plan(&store, &sql);
            assert!(plan.contains(wanted), "{plan}");
        }
    }
}
