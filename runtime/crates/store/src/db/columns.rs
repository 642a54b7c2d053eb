//! From SQLite's values to ours and back.

use crate::error::StoreError;
use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use std::error::Error;
use std::str::FromStr;

/// A column of text that `T` reads.
pub(crate) fn parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| wrong(row, column, Type::Text, error))
}

/// A column with a whole number that is not negative.
pub(crate) fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|error| wrong(row, column, Type::Integer, error))
}

/// A column of text as far as it can be read, for what somebody else may have written; `None`: it has none.
pub(crate) fn lossy(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}

/// A number as SQLite keeps it.
pub(crate) fn to_i64(number: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::TooLarge(what))
}

fn wrong(row: &Row<'_>, column: &str, kind: Type, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or(0);
    rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
}
