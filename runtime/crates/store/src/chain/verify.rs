//! Whether the chain is whole.

use super::{Head, START, hash_of, row_hash};
use crate::error::StoreError;
use crate::store::Store;
use modelet_spec::Digest;
use rusqlite::{Transaction, params};
use std::fmt;

/// How many rows are read at a time: changes wait no longer than for these.
const ROWS: usize = 4096;

/// A row and its hash, as somebody wrote them down elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The row's id.
    pub row: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainVerified {
    /// How many rows fit.
    pub rows: u64,
    /// The last of them; worth to be kept elsewhere. `None`: there is none.
    pub head: Option<Anchor>,
    /// The first thing that is wrong; what comes after it cannot be told.
    pub fault: Option<ChainFault>,
}

/// What is wrong with the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// This row is not what was written, or somebody put it in.
    Changed(i64),
    /// This row, and maybe others after it, is not there.
    Missing(i64),
    /// There are rows after the one that was written last; this is the first.
    Added(i64),
    /// What says where the chain ends is not there, or was not, or not what was written, at some time.
    NoHead,
    /// What says where the chain ends is not what was written.
    Head,
    /// The row that somebody wrote down elsewhere is another, or is not there.
    Anchor(u64),
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(row) => {
                write!(f, "row {row} was changed or put in, or audit.key is not the one it was written with")
            }
            Self::Missing(row) => write!(f, "row {row} is missing"),
            Self::Added(row) => write!(f, "row {row} was put in after the last one"),
            Self::NoHead => {
                f.write_str("the record of the last row was taken away or changed at some time, so rows may be missing")
            }
            Self::Head => {
                f.write_str("the record of the last row was changed, or audit.key is not the one it was written with")
            }
            Self::Anchor(row) => write!(f, "row {row} is not the one whose hash was kept elsewhere"),
        }
    }
}

/// How far the check has come.
struct Walk<'a> {
    store: &'a Store,
    anchor: Option<Anchor>,
    at: Head,
    anchored: bool,
}

impl Store {
    /// Checks every row of the audit, and that none is missing; with an anchor also that the row of then is the one of now.
    /// Changes go on meanwhile.
    ///
    /// # Errors
    /// When the metadata cannot be read. What was changed is no error, but a fault.
    pub fn verify_audit(&self, anchor: Option<Anchor>) -> Result<ChainVerified, StoreError> {
        let mut walk = Walk { store: self, anchor, at: Head::EMPTY, anchored: anchor.is_none() };
        let fault = loop {
            match self.db.read(|tx| walk.step(tx))? {
                Step::On => {}
                Step::End => break None,
                Step::Fault(fault) => break Some(fault),
            }
        };
        let head = (walk.at.rows > 0).then(|| Anchor { row: unsigned(walk.at.last), hash: walk.at.hash });
        Ok(ChainVerified { rows: unsigned(walk.at.rows), head, fault })
    }
}

enum Step {
    On,
    End,
    Fault(ChainFault),
}

impl Walk<'_> {
    /// Takes the next rows; at the end, compares the head, which is of the same moment.
    fn step(&mut self, tx: &Transaction<'_>) -> Result<Step, StoreError> {
        let key = &self.store.chain;
        // The first row may have any id that somebody gave it.
        let after = if self.at.rows == 0 { i64::MIN } else { self.at.last };
        let mut query = tx.prepare_cached("SELECT * FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let mut rows = query.query(params![after, ROWS as i64])?;
        let head = Head::read(tx, key)?;
        let mut taken = 0;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get("id")?;
            if row_hash(key, &self.at.hash, row)? != hash_of(row, "hash")?.unwrap_or(START) {
                return Ok(Step::Fault(self.fault_at(id, head)));
            }
            self.at = self.at.after(id, hash_of(row, "hash")?.unwrap_or(START));
            if let Some(anchor) = self.anchor.filter(|anchor| i64::try_from(anchor.row) == Ok(id)) {
                if anchor.hash != self.at.hash {
                    return Ok(Step::Fault(ChainFault::Anchor(anchor.row)));
                }
                self.anchored = true;
            }
            taken += 1;
        }
        Ok(if taken == ROWS { Step::On } else { self.end(head) })
    }

    /// What a row that does not fit tells.
    fn fault_at(&self, id: i64, head: Option<(Head, bool)>) -> ChainFault {
        let next = self.at.last.saturating_add(1);
        match head {
            Some((head, true)) if head.last == self.at.last && head.hash == self.at.hash => ChainFault::Added(id),
            // Ids have no gaps: no row is ever taken away.
            _ if id > next => ChainFault::Missing(next),
            _ => ChainFault::Changed(id),
        }
    }

    fn end(&self, head: Option<(Head, bool)>) -> Step {
        let Some((head, is_sealed)) = head else { return Step::Fault(ChainFault::NoHead) };
        let fault = match () {
            () if !is_sealed => ChainFault::Head,
            () if head.lost => ChainFault::NoHead,
            () if head.last > self.at.last => ChainFault::Missing(self.at.last.saturating_add(1)),
            () if (head.last, head.rows, head.hash) != (self.at.last, self.at.rows, self.at.hash) => ChainFault::Head,
            () => match self.anchor.filter(|_| !self.anchored) {
                Some(anchor) => ChainFault::Anchor(anchor.row),
                None => return Step::End,
            },
        };
        Step::Fault(fault)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.row, Digest::from_bytes(self.hash).hex())
    }
}

impl std::str::FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not ROW:HASH, as a check of the audit says it");
        let (row, hash) = text.split_once(':').ok_or_else(wrong)?;
        let digest = Digest::from_hex(hash).ok_or_else(wrong)?;
        Ok(Self { row: row.parse().map_err(|_| wrong())?, hash: *digest.as_bytes() })
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
