//! The chain of events: each row's hash is of all its columns and of the row before, and the head says where it ends.
//!
//! Hashes are BLAKE3 with a key that lies beside the database, in `audit.key`: who can write the database and not read that file can
//! make no row that fits, nor a head. What this cannot tell is a database that was put back whole to an earlier state: whoever
//! wants to know that too keeps a head elsewhere and compares ([`Store::verify_audit`]). Decision 0027.

mod key;
mod verify;

pub use verify::{Anchor, ChainFault, ChainVerified};

pub use key::LostKey;

pub(crate) use key::ChainKey;

use crate::changes::Changing;
use crate::db::Db;
use crate::error::StoreError;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction, params};

/// A row's hash.
type Hash = [u8; 32];

/// What stands before the first row.
const START: Hash = [0; 32];

/// The columns with text, in the order in which they are hashed.
const TEXTS: [&str; 10] = [
    "kind",
    "tenant",
    "subject",
    "detail",
    "value_before",
    "value_after",
    "actor",
    "actor_tenant",
    "actor_scopes",
    "remote",
];

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    last: i64,
    rows: i64,
    hash: Hash,
    /// The head was missing at some time.
    lost: bool,
}

impl Head {
    const EMPTY: Self = Self { last: 0, rows: 0, hash: START, lost: false };

    fn seal(&self, key: &ChainKey) -> Hash {
        let mut hasher = key.hasher(b"head");
        hasher.update(&self.last.to_le_bytes()).update(&self.rows.to_le_bytes()).update(&self.hash);
        hasher.update(&[u8::from(self.lost)]);
        *hasher.finalize().as_bytes()
    }

    /// The head, and whether its seal is what it should be; `None`: there is none.
    fn read(tx: &Transaction<'_>, key: &ChainKey) -> Result<Option<(Self, bool)>, StoreError> {
        let mut query = tx.prepare_cached("SELECT last, rows, hash, lost, seal FROM event_head WHERE one = 1")?;
        let found = query.query_row([], |row| {
            let head = Self {
                last: row.get("last")?,
                rows: row.get("rows")?,
                hash: hash_of(row, "hash")?.unwrap_or(START),
                lost: row.get::<_, i64>("lost")? != 0,
            };
            Ok((head, hash_of(row, "seal")?))
        });
        Ok(found.optional()?.map(|(head, seal)| (head, seal == Some(head.seal(key)))))
    }

    fn write(&self, tx: &Transaction<'_>, key: &ChainKey) -> Result<(), StoreError> {
        let upsert = "INSERT INTO event_head (one, last, rows, hash, lost, seal) VALUES (1, ?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (one) DO UPDATE SET last = ?1, rows = ?2, hash = ?3, lost = ?4, seal = ?5";
        let of = params![self.last, self.rows, self.hash, self.lost, self.seal(key)];
        tx.prepare_cached(upsert)?.execute(of)?;
        Ok(())
    }

    /// The head with one row more.
    fn after(self, id: i64, hash: Hash) -> Self {
        Self { last: id, rows: self.rows.saturating_add(1), hash, ..self }
    }
}

/// Adds the row with this id, which has everything but its hash, to the chain.
pub(crate) fn add(tx: &Changing<'_>, id: i64) -> Result<(), StoreError> {
    // A head that is missing or has another's seal is somebody's work: the chain goes on, and never again verifies as whole. To seal
    // it as if it were ours would make good what was done.
    let head = match Head::read(tx, tx.key)? {
        Some((head, is_sealed)) => Head { lost: head.lost || !is_sealed, ..head },
        None => Head { lost: true, ..Head::EMPTY },
    };
    link(tx, tx.key, head, id)?.write(tx, tx.key)
}

/// Hashes one row as the one after `head`; the head after it.
fn link(tx: &Transaction<'_>, key: &ChainKey, head: Head, id: i64) -> Result<Head, StoreError> {
    let mut query = tx.prepare_cached("SELECT * FROM event WHERE id = ?1")?;
    let hash = query.query_row([id], |row| row_hash(key, &head.hash, row))?;
    tx.prepare_cached("UPDATE event SET hash = ?2 WHERE id = ?1")?.execute(params![id, hash])?;
    Ok(head.after(id, hash))
}

/// Whether a chain was begun: with a key that was there then.
pub(crate) fn is_begun(db: &Db) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM event_head) OR EXISTS (SELECT 1 FROM event WHERE hash IS NOT NULL)";
    db.read(|tx| Ok(tx.query_row(sql, [], |row| row.get(0))?))
}

/// Sees to it that there is a head. Rows from before there was a chain are chained now, once: with the key that is made then.
pub(crate) fn begin(db: &Db, key: &ChainKey) -> Result<(), StoreError> {
    db.write(|tx| {
        if Head::read(tx, key)?.is_some() {
            return Ok(());
        }
        let chained: bool =
            tx.query_row("SELECT EXISTS (SELECT 1 FROM event WHERE hash IS NOT NULL)", [], |row| row.get(0))?;
        if chained || !key.is_new() {
            return Head { lost: true, ..Head::EMPTY }.write(tx, key);
        }
        let mut query = tx.prepare("SELECT id FROM event ORDER BY id")?;
        let ids: Vec<i64> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        ids.into_iter().try_fold(Head::EMPTY, |head, id| link(tx, key, head, id))?.write(tx, key)
    })
}

/// The hash that a row should have after one with the hash `before`.
fn row_hash(key: &ChainKey, before: &Hash, row: &Row<'_>) -> rusqlite::Result<Hash> {
    let mut hasher = key.hasher(b"row ");
    hasher.update(before);
    for column in ["id", "at_ms"] {
        hasher.update(&row.get::<_, i64>(column)?.to_le_bytes());
    }
    for column in TEXTS {
        // Whatever bytes are there: what is no text must not look like a fault of the reader.
        match row.get_ref(column)? {
            ValueRef::Text(text) => {
                hasher.update(&[1]).update(&(text.len() as u64).to_le_bytes()).update(text);
            }
            ValueRef::Null => _ = hasher.update(&[0]),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => _ = hasher.update(&[2]),
        }
    }
    Ok(*hasher.finalize().as_bytes())
}

/// A column with a hash; `None`: it has none, or something else.
pub(crate) fn hash_of(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Hash>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => bytes.try_into().ok(),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}
