//! Requests that were done, so that one that is sent again is not done again.
//!
//! That a request was done is written in the transaction of its change; what was answered follows when it is known. Kept for a day, and of
//! each tenant no more than so many.

use crate::error::StoreError;
use crate::events::now_ms;
use crate::store::Store;
use modelet_spec::TenantName;
use rusqlite::{OptionalExtension, Transaction, params};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a request is known again.
pub const REQUESTS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Of how many requests of a tenant that is known: the newest.
pub const REQUESTS_MAX: u32 = 1000;

/// What a request is called by whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestName {
    /// The tenant of the caller's key.
    pub tenant: TenantName,
    /// The id of that key.
    pub caller: String,
    /// What the caller calls the request.
    pub key: String,
}

/// A request that is to be done once.
#[derive(Debug)]
pub struct Once {
    name: RequestName,
    /// Known when all of the request was read.
    digest: OnceLock<[u8; 32]>,
    done: AtomicBool,
}

/// A request that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneRequest {
    /// What was asked.
    pub digest: [u8; 32],
    /// What it changed, in words.
    pub thing: Option<String>,
    /// What was answered; `None`: nobody knows any more, or it is not kept.
    pub answer: Option<KeptAnswer>,
}

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// The type of its body.
    pub content_type: Option<String>,
    /// What it said of the thing.
    pub etag: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Once {
    /// A request that its sender calls so.
    #[must_use]
    pub fn new(name: RequestName) -> Self {
        Self { name, digest: OnceLock::new(), done: AtomicBool::new(false) }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &RequestName {
        &self.name
    }

    /// All of it was read: this is its digest.
    pub fn read(&self, digest: [u8; 32]) {
        // It is read once.
        let _ = self.digest.set(digest);
    }

    /// Its digest, when all of it was read.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.digest.get().copied()
    }

    /// Whether it is written down that it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// The transaction of its change is on the disk.
    pub(crate) fn committed(&self) {
        self.done.store(true, Ordering::Release);
    }

    /// Writes down that it was done, in the transaction of its change.
    pub(crate) fn write(&self, tx: &Transaction<'_>, thing: Option<&str>) -> Result<(), StoreError> {
        match self.digest() {
            Some(digest) => insert(tx, &self.name, digest, thing, None),
            // What is done without the whole request having been read cannot be known again.
            None => Ok(()),
        }
    }
}

impl Store {
    /// The request that was done under this name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn done_request(&self, name: &RequestName) -> Result<Option<DoneRequest>, StoreError> {
        let sql = "SELECT * FROM request WHERE tenant = ?1 AND caller = ?2 AND key = ?3 AND done_ms > ?4";
        self.db.read(|tx| {
            let mut query = tx.prepare_cached(sql)?;
            let of = params![name.tenant.as_str(), name.caller, name.key, oldest_ms()];
            let found = query.query_row(of, |row| {
                let answer = |status: u16| {
                    let (content_type, etag) = (row.get("content_type")?, row.get("etag")?);
                    Ok::<_, rusqlite::Error>(KeptAnswer { status, content_type, etag, body: row.get("body")? })
                };
                let status: Option<u16> = row.get("status")?;
                let answer = status.map(answer).transpose()?;
                Ok(DoneRequest { digest: row.get("digest")?, thing: row.get("thing")?, answer })
            });
            Ok(found.optional()?)
        })
    }

    /// Keeps what a request was answered. One that changed nothing is written down as done with it.
    ///
    /// # Errors
    /// [`StoreError::NoTenant`]: the caller's tenant is no more; or the metadata cannot be written.
    pub fn keep_answer(&self, once: &Once, answer: &KeptAnswer) -> Result<(), StoreError> {
        let Some(digest) = once.digest() else { return Ok(()) };
        self.db.write(|tx| {
            crate::tenants::require(tx, &once.name.tenant)?;
            insert(tx, &once.name, digest, None, Some(answer))
        })
    }

    /// Forgets requests that were done too long ago.
    pub(crate) fn forget_requests(&self) -> Result<(), StoreError> {
        self.db.write(|tx| Ok(tx.execute("DELETE FROM request WHERE done_ms <= ?1", [oldest_ms()])?))?;
        Ok(())
    }
}

fn insert(
    tx: &Transaction<'_>,
    name: &RequestName,
    digest: [u8; 32],
    thing: Option<&str>,
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    let upsert = "INSERT INTO request (tenant, caller, key, digest, done_ms, thing, status, content_type, etag, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (tenant, caller, key)
        DO UPDATE SET digest = ?4, done_ms = ?5, thing = coalesce(?6, thing), status = ?7, content_type = ?8, etag = ?9, body = ?10";
    let RequestName { tenant, caller, key } = name;
    let status = answer.map(|answer| answer.status);
    let content_type = answer.and_then(|answer| answer.content_type.as_deref());
    let (etag, body) = (answer.and_then(|answer| answer.etag.as_deref()), answer.map(|answer| &answer.body));
    let row = params![tenant.as_str(), caller, key, digest, now_ms(), thing, status, content_type, etag, body];
    tx.prepare_cached(upsert)?.execute(row)?;
    let oldest = "DELETE FROM request WHERE tenant = ?1 AND done_ms < (SELECT done_ms FROM request WHERE tenant = ?1
        ORDER BY done_ms DESC LIMIT 1 OFFSET ?2)";
    tx.prepare_cached(oldest)?.execute(params![tenant.as_str(), REQUESTS_MAX - 1])?;
    Ok(())
}

/// What was done then or before is not known any more.
fn oldest_ms() -> i64 {
    now_ms().saturating_sub(i64::try_from(REQUESTS_KEPT.as_millis()).unwrap_or(i64::MAX))
}
