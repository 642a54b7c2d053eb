//! What functions keep: pairs of a key and a value, in buckets, each tenant's own.
//!
//! Every call is one transaction, so a batch is kept whole or not at all. Who waits for the disk is the caller: see
//! [`Durability`](crate::db::Durability) for what a change survives.

mod account;

use crate::db::{parsed, unsigned};
use crate::error::StoreError;
use crate::store::Store;
use account::Account;
use modelet_spec::TenantName;
use rusqlite::{OptionalExtension, Transaction, params};

/// Keys in one page of a listing.
const PAGE_KEYS: i64 = 1000;

/// One bucket of one tenant. It exists as soon as somebody keeps something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Whose.
    pub tenant: TenantName,
    /// Its name within the tenant.
    pub name: String,
}

/// What a tenant may keep in all its buckets together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValueLimits {
    /// Pairs.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, oldest first.
    pub keys: Vec<String>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<u64>,
}

/// What a tenant keeps, in all its buckets together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueUse {
    /// Whose.
    pub tenant: TenantName,
    /// Pairs.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Why a pair was not kept, read or counted.
#[derive(Debug, thiserror::Error)]
pub enum KeyValueError {
    /// The tenant would have more pairs than it may.
    #[error("the tenant's key-value quota of {limit} keys is used up; delete some")]
    Keys {
        /// What it may have.
        limit: u64,
    },
    /// The tenant would have more bytes than it may.
    #[error("the tenant's key-value quota of {limit} bytes does not hold this; delete some keys")]
    Bytes {
        /// What it may have.
        limit: u64,
    },
    /// The values that were asked for are too many bytes for one answer.
    #[error("the values are over {limit} bytes together; ask for fewer keys at a time")]
    Answer {
        /// The most in one answer.
        limit: u64,
    },
    /// A value that is no number was to be counted up.
    #[error("the value of `{0}` is no whole number in decimal digits")]
    NotANumber(String),
    /// A number would be over 2^64 - 1.
    #[error("the value of `{0}` cannot be counted up any further")]
    Overflow(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for KeyValueError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// The values of `keys`, in their order; at most `bytes_max` bytes together.
    ///
    /// # Errors
    /// [`KeyValueError::Answer`], or the store failed.
    pub fn pairs_get(
        &self,
        bucket: &Bucket,
        keys: &[String],
        bytes_max: u64,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyValueError> {
        self.pairs.read(|tx| {
            let mut left = bytes_max;
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                let value = get(tx, bucket, key)?;
                match left.checked_sub(value.as_ref().map_or(0, Vec::len) as u64) {
                    Some(rest) => left = rest,
                    None => return Ok(Err(KeyValueError::Answer { limit: bytes_max })),
                }
                values.push(value);
            }
            Ok(Ok(values))
        })?
    }

    /// Whether there is a value.
    ///
    /// # Errors
    /// The store failed.
    pub fn pairs_has(&self, bucket: &Bucket, key: &str) -> Result<bool, KeyValueError> {
        Ok(self.pairs.read(|tx| Ok(bytes_of(tx, bucket, key)?.is_some()))?)
    }

    /// Keeps pairs, all or none.
    ///
    /// # Errors
    /// A quota that is used up, or the store failed.
    pub fn pairs_set(
        &self,
        bucket: &Bucket,
        pairs: &[(String, Vec<u8>)],
        limits: KeyValueLimits,
    ) -> Result<(), KeyValueError> {
        self.change(|tx| {
            let mut account = Account::of(tx, &bucket.tenant)?;
            for (key, value) in pairs {
                set(tx, &mut account, bucket, key, value)?;
            }
            account.hold_to(limits)?;
            Ok(account.keep(tx, &bucket.tenant)?)
        })
    }

    /// Removes pairs; those that are not there are no fault.
    ///
    /// # Errors
    /// The store failed.
    pub fn pairs_delete(&self, bucket: &Bucket, keys: &[String]) -> Result<(), KeyValueError> {
        self.change(|tx| {
            let mut account = Account::of(tx, &bucket.tenant)?;
            for key in keys {
                let Some(bytes) = bytes_of(tx, bucket, key)? else { continue };
                let sql = "DELETE FROM pair WHERE tenant = ?1 AND bucket = ?2 AND key = ?3";
                tx.prepare_cached(sql)?.execute(params![bucket.tenant.as_str(), bucket.name, key])?;
                account.lose(key, bytes);
            }
            Ok(account.keep(tx, &bucket.tenant)?)
        })
    }

    /// Adds to a number in decimal digits, which is 0 if it is not there, and returns the sum.
    ///
    /// # Errors
    /// The value is no number or the sum too large, a quota is used up, or the store failed.
    pub fn pairs_add(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: u64,
        limits: KeyValueLimits,
    ) -> Result<u64, KeyValueError> {
        self.change(|tx| {
            let value = get(tx, bucket, key)?;
            let number = value.map_or(Ok(0), |value| number(&value).ok_or(key)).map_err(not_a_number)?;
            let sum = number.checked_add(delta).ok_or_else(|| KeyValueError::Overflow(key.to_owned()))?;
            let mut account = Account::of(tx, &bucket.tenant)?;
            set(tx, &mut account, bucket, key, sum.to_string().as_bytes())?;
            account.hold_to(limits)?;
            account.keep(tx, &bucket.tenant)?;
            Ok(sum)
        })
    }

    /// The keys of a bucket from `after` on, a page at a time. What is kept meanwhile comes last.
    ///
    /// # Errors
    /// The store failed.
    pub fn pairs_list(&self, bucket: &Bucket, after: Option<u64>) -> Result<KeyPage, KeyValueError> {
        // A cursor that no page gave leads behind the last key.
        let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
        let sql =
            "SELECT key, place FROM pair WHERE tenant = ?1 AND bucket = ?2 AND place > ?3 ORDER BY place LIMIT ?4";
        let rows = self.pairs.read(|tx| {
            let mut query = tx.prepare_cached(sql)?;
            let wanted = params![bucket.tenant.as_str(), bucket.name, after, PAGE_KEYS];
            let rows = query.query_map(wanted, |row| Ok((row.get::<_, String>("key")?, unsigned(row, "place")?)))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows == PAGE_KEYS);
        let next = rows.last().filter(|_| is_full).map(|(_, place)| *place);
        Ok(KeyPage { keys: rows.into_iter().map(|(key, _)| key).collect(), next })
    }

    /// What each tenant keeps that has ever kept something.
    ///
    /// # Errors
    /// The store failed.
    pub fn pairs_use(&self) -> Result<Vec<KeyValueUse>, StoreError> {
        self.pairs.read(|tx| {
            let mut query = tx.prepare_cached("SELECT tenant, keys, bytes FROM account ORDER BY tenant")?;
            let rows = query.query_map([], |row| {
                let (keys, bytes) = (unsigned(row, "keys")?, unsigned(row, "bytes")?);
                Ok(KeyValueUse { tenant: parsed(row, "tenant")?, keys, bytes })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A change whose refusal leaves everything as it was.
    fn change<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, KeyValueError>) -> Result<T, KeyValueError> {
        let mut refused = None;
        let done = self.pairs.write(|tx| match work(tx) {
            Ok(done) => Ok(done),
            Err(KeyValueError::Store(error)) => Err(error),
            Err(error) => {
                refused = Some(error);
                // Any error rolls back; this one is not told.
                Err(StoreError::TooLarge("what a function keeps"))
            }
        });
        match (done, refused) {
            (Ok(done), _) => Ok(done),
            (Err(_), Some(refused)) => Err(refused),
            (Err(error), None) => Err(error.into()),
        }
    }
}

fn not_a_number(key: &str) -> KeyValueError {
    KeyValueError::NotANumber(key.to_owned())
}

fn get(tx: &Transaction<'_>, bucket: &Bucket, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut query = tx.prepare_cached("SELECT value FROM pair WHERE tenant = ?1 AND bucket = ?2 AND key = ?3")?;
    query.query_row(params![bucket.tenant.as_str(), bucket.name, key], |row| row.get(0)).optional()
}

/// The length of a value, without reading it.
fn bytes_of(tx: &Transaction<'_>, bucket: &Bucket, key: &str) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT length(value) AS bytes FROM pair WHERE tenant = ?1 AND bucket = ?2 AND key = ?3";
    let mut query = tx.prepare_cached(sql)?;
    query.query_row(params![bucket.tenant.as_str(), bucket.name, key], |row| unsigned(row, "bytes")).optional()
}

fn set(
    tx: &Transaction<'_>,
    account: &mut Account,
    bucket: &Bucket,
    key: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    match bytes_of(tx, bucket, key)? {
        Some(bytes) => account.lose(key, bytes),
        None => account.places = account.places.saturating_add(1),
    }
    account.gain(key, value.len() as u64);
    // A key that is there keeps its place: a listing under way meets it once.
    let sql = "INSERT INTO pair (tenant, bucket, key, place, value) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (tenant, bucket, key) DO UPDATE SET value = excluded.value";
    let place = account.place()?;
    tx.prepare_cached(sql)?.execute(params![bucket.tenant.as_str(), bucket.name, key, place, value])?;
    Ok(())
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
