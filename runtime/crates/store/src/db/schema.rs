//! The schemas: their steps, and which of them a database has had.

use crate::error::{StoreError, io_at};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::Path;

/// What a database holds: its mark and its steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// Marks a file as ours and of this kind.
    application: i32,
    steps: &'static [&'static str],
}

/// The metadata: "MLET".
pub(crate) const METADATA: Schema = Schema { application: 0x4d4c_4554, steps: &STEPS };

/// What functions keep: "MLKV".
pub(crate) const KEY_VALUE: Schema =
    Schema { application: 0x4d4c_4b56, steps: &[include_str!("schema/keyvalue-01.sql")] };

/// What was used: "MLUS".
pub(crate) const USAGE: Schema = Schema {
    application: 0x4d4c_5553,
    steps: &[include_str!("schema/usage-01.sql"), include_str!("schema/usage-02.sql")],
};

/// The steps, oldest first; the schema's number is how many a database has had. A step that was released is never changed.
const STEPS: [&str; 15] = [
    include_str!("schema/01-start.sql"),
    include_str!("schema/02-optimised.sql"),
    include_str!("schema/03-pins.sql"),
    include_str!("schema/04-model-repository.sql"),
    include_str!("schema/05-rewrites.sql"),
    include_str!("schema/06-instances.sql"),
    include_str!("schema/07-images.sql"),
    include_str!("schema/08-versions.sql"),
    include_str!("schema/09-history.sql"),
    include_str!("schema/10-tenants.sql"),
    include_str!("schema/11-keys-and-grants.sql"),
    include_str!("schema/12-secrets.sql"),
    include_str!("schema/13-audit.sql"),
    include_str!("schema/14-revisions.sql"),
    include_str!("schema/15-requests.sql"),
];

/// Refuses a file that is no database, or not ours, before anything is written to it.
pub(super) fn check_origin(connection: &Connection, path: &Path, schema: Schema) -> Result<(), StoreError> {
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
    if application != i64::from(schema.application) {
        return Err(foreign(format!("its application id is {application:#x}")));
    }
    let known = i64::try_from(schema.steps.len()).unwrap_or(i64::MAX);
    match version {
        version if version > known => Err(StoreError::NewerSchema { path: path.to_owned(), found: version, known }),
        version if version < 1 => Err(foreign(format!("it has the schema {version}"))),
        _ => Ok(()),
    }
}

/// Refuses a file that ends before its last page, as a copy does that broke off: SQLite would find out at the first row that is missing.
pub(super) fn check_length(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    // Pages that are in its log alone need not be in the file yet.
    if std::fs::metadata(path.with_extension("db-wal")).is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let wanted = number("page_count")?.saturating_mul(number("page_size")?).unsigned_abs();
    let found = std::fs::metadata(path).map_err(io_at("look at", path))?.len();
    if found < wanted {
        return Err(StoreError::ShortDatabase { path: path.to_owned(), found, wanted });
    }
    Ok(())
}

/// Takes the steps that are missing; each one whole or not at all.
pub(super) fn bring_up_to_date(connection: &mut Connection, path: &Path, schema: Schema) -> Result<(), StoreError> {
    for (done, step) in (0_i64..).zip(schema.steps) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > done {
            continue;
        }
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", schema.application)?;
        transaction.pragma_update(None, "user_version", done + 1)?;
        transaction.commit()?;
    }
    check_origin(connection, path, schema)
}
