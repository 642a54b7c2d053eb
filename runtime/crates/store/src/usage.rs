//! What was used, by hour and by day: a database of its own, beside the metadata.
//!
//! A reading is booked whole or not at all, in its hour and in its day. A tenant that was removed stays in the books under its name
//! until their time is over; its name is never another's.

mod query;

pub use query::{UsagePage, UsagePlace, UsageQuery, UsageRow};

use crate::db::{parsed, to_i64, unsigned};
use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::{TenantName, UsageCounts, Used};
use rusqlite::{Row, Transaction, params};
use std::time::Duration;

/// How long it is known by the hour what was used.
pub const USAGE_HOURS_KEPT: Duration = Duration::from_secs(14 * 86400);
/// How long it is known by the day.
pub const USAGE_DAYS_KEPT: Duration = Duration::from_secs(400 * 86400);

/// The numbers of a row, in the order of [`UsageCounts::to_fields`].
const COLUMNS: [&str; UsageCounts::FIELDS] =
    ["requests", "unanswered", "refused", "cpu_us", "bytes_in", "bytes_out", "runs", "rows", "busy_us"];

/// How long what is added up in one row took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageSpan {
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
}

impl UsageSpan {
    /// Its length.
    #[must_use]
    pub fn seconds(self) -> u64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 86400,
        }
    }

    /// The beginning of the one that a moment is in; both in seconds since 1970.
    #[must_use]
    pub fn begin(self, at_s: u64) -> u64 {
        at_s - at_s % self.seconds()
    }

    fn kept(self) -> Duration {
        match self {
            Self::Hour => USAGE_HOURS_KEPT,
            Self::Day => USAGE_DAYS_KEPT,
        }
    }

    const ALL: [Self; 2] = [Self::Hour, Self::Day];
}

impl Store {
    /// Adds to what was used in the hour and the day of `at_s`, in seconds since 1970.
    ///
    /// # Errors
    /// The books cannot be written; then nothing is booked.
    pub fn book_usage(&self, at_s: u64, used: &[(Used, UsageCounts)]) -> Result<(), StoreError> {
        self.books.write(|tx| {
            for span in UsageSpan::ALL {
                used.iter().try_for_each(|(used, counts)| add(tx, span, at_s, used, *counts))?;
            }
            Ok(())
        })
    }

    /// What each tenant has used on the day of `at_s`, of everything together.
    ///
    /// # Errors
    /// The books cannot be read.
    pub fn usage_of_day(&self, at_s: u64) -> Result<Vec<(TenantName, UsageCounts)>, StoreError> {
        let span = UsageSpan::Day;
        let (length, start) = (to_i64(span.seconds(), "a span")?, to_i64(span.begin(at_s), "a time")?);
        self.books.read(|tx| {
            let mut query = tx.prepare_cached(&sql_of_day())?;
            let rows = query.query_map([length, start], |row| Ok((parsed(row, "tenant")?, counts(row)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Takes out what is kept no longer.
    ///
    /// # Errors
    /// The books cannot be written.
    pub fn trim_usage(&self, now_s: u64) -> Result<(), StoreError> {
        self.books.write(|tx| {
            for span in UsageSpan::ALL {
                let first = span.begin(now_s.saturating_sub(span.kept().as_secs()));
                let (length, first) = (to_i64(span.seconds(), "a span")?, to_i64(first, "a time")?);
                tx.execute(TRIM, [length, first])?;
            }
            Ok(())
        })
    }
}

const TRIM: &str = "DELETE FROM usage WHERE span = ?1 AND start < ?2";

fn sql_of_day() -> String {
    let sums = COLUMNS.map(|column| format!("sum({column}) AS {column}")).join(", ");
    format!("SELECT tenant, {sums} FROM usage WHERE span = ?1 AND start = ?2 GROUP BY tenant")
}

fn add(tx: &Transaction<'_>, span: UsageSpan, at_s: u64, used: &Used, counts: UsageCounts) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
        ON CONFLICT DO UPDATE SET requests = requests + ?7, unanswered = unanswered + ?8, refused = refused + ?9,
            cpu_us = cpu_us + ?10, bytes_in = bytes_in + ?11, bytes_out = bytes_out + ?12, runs = runs + ?13,
            rows = rows + ?14, busy_us = busy_us + ?15";
    let (length, start) = (to_i64(span.seconds(), "a span")?, to_i64(span.begin(at_s), "a time")?);
    let mut numbers = [0_i64; UsageCounts::FIELDS];
    for (number, field) in numbers.iter_mut().zip(counts.to_fields()) {
        *number = to_i64(field, "what was used")?;
    }
    let [requests, unanswered, refused, cpu_us, bytes_in, bytes_out, runs, rows, busy_us] = numbers;
    tx.prepare_cached(SQL)?.execute(params![
        used.tenant.as_str(),
        length,
        start,
        used.kind.name(),
        used.name,
        used.part,
        requests,
        unanswered,
        refused,
        cpu_us,
        bytes_in,
        bytes_out,
        runs,
        rows,
        busy_us
    ])?;
    Ok(())
}

fn counts(row: &Row<'_>) -> rusqlite::Result<UsageCounts> {
    let mut fields = [0; UsageCounts::FIELDS];
    for (field, column) in fields.iter_mut().zip(COLUMNS) {
        *field = unsigned(row, column)?;
    }
    Ok(UsageCounts::from_fields(fields))
}
