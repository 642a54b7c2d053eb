//! The databases: how one is opened, brought up to date, read and written.

mod columns;
mod schema;

pub(crate) use columns::{lossy, parsed, to_i64, unsigned};
pub(crate) use schema::{KEY_VALUE, METADATA, Schema, USAGE};

use crate::error::StoreError;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long to wait for another process that looks into the database (`sqlite3`, a backup).
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Statements that stay prepared: more than there are texts of them, so that none is parsed twice.
const STATEMENTS_MAX: usize = 256;

/// The one connection. Changes are rare and short, so taking turns costs less than a pool would.
#[derive(Debug)]
pub(crate) struct Db {
    /// For messages.
    path: PathBuf,
    connection: Mutex<Connection>,
    /// Transactions so far.
    accesses: AtomicU64,
}

/// What an acknowledged change survives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Durability {
    /// A power failure: it is on the disk.
    Power,
    /// The end of the process. After a power failure the last changes may be missing, never a part of one.
    Process,
}

impl Db {
    pub(crate) fn open(path: &Path, schema: Schema, durability: Durability) -> Result<Self, StoreError> {
        Self::connect(path, schema, durability).map_err(|error| error.opening(path))
    }

    fn connect(path: &Path, schema: Schema, durability: Durability) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        schema::check_origin(&connection, path, schema)?;
        schema::check_length(&connection, path)?;
        let synchronous = match durability {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        schema::bring_up_to_date(&mut connection, path, schema)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), accesses: AtomicU64::new(0) })
    }

    /// Reads, all from one moment.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let read = || work(&connection.transaction_with_behavior(TransactionBehavior::Deferred)?);
        read().map_err(|error| error.in_database(&self.path))
    }

    /// Changes all or nothing; kept as the database's durability has it when it returns.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let write = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        write().map_err(|error: StoreError| error.in_database(&self.path))
    }

    /// How many transactions there were.
    pub(crate) fn accesses(&self) -> u64 {
        self.accesses.load(Ordering::Relaxed)
    }

    /// A thread that panicked in the middle has rolled its transaction back, so the connection is fit for use.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.accesses.fetch_add(1, Ordering::Relaxed);
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
