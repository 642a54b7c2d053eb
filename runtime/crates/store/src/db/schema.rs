//! The schema: its steps, and which of them a database has had.

use crate::error::StoreError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::Path;

/// Marks a file as ours: "MLET".
const APPLICATION_ID: i32 = 0x4d4c_4554;

/// The steps, oldest first; the schema's number is how many a database has had. A step that was released is never changed.
const STEPS: [&str; 6] = [
    include_str!("schema/01-start.sql"),
    include_str!("schema/02-optimised.sql"),
    include_str!("schema/03-pins.sql"),
    include_str!("schema/04-model-repository.sql"),
    include_str!("schema/05-rewrites.sql"),
    include_str!("schema/06-instances.sql"),
];

/// Refuses a file that is no database, or not ours, before anything is written to it.
pub(super) fn check_origin(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let foreign = |reason: String| StoreError::ForeignDatabase { path: path.to_owned(), reason };
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = match number("application_id") {
        Err(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == ErrorCode::NotADatabase => {
            return Err(foreign("it is no SQLite file".to_owned()));
        }
        application => application?,
    };
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = number("user_version")?;
    let is_fresh = tables == 0 && version == 0 && application == 0;
    if is_fresh {
        return Ok(());
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(foreign(format!("its application id is {application:#x}")));
    }
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    match version {
        version if version > known => Err(StoreError::NewerSchema { path: path.to_owned(), found: version, known }),
        version if version < 1 => Err(foreign(format!("it has the schema {version}"))),
        _ => Ok(()),
    }
}

/// Takes the steps that are missing; each one whole or not at all.
pub(super) fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    for (done, step) in (0_i64..).zip(STEPS) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > done {
            continue;
        }
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", done + 1)?;
        transaction.commit()?;
    }
    check_origin(connection, path)
}
