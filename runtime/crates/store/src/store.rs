//! The store as a whole.

use crate::blobs::Dedupe;
use crate::chain::{self, ChainKey, LostKey};
use crate::data_dir::DataDir;
use crate::db::{Db, Durability, KEY_VALUE, METADATA, USAGE};
use crate::error::StoreError;
use crate::uploads::InFlight;
use std::path::Path;

/// One server's data directory. Calls block; it may be shared between threads, which then take turns at the metadata.
#[derive(Debug)]
pub struct Store {
    // Before the directory: the database closes before the lock is given back.
    pub(crate) db: Db,
    /// What functions keep.
    pub(crate) pairs: Db,
    /// What was used.
    pub(crate) books: Db,
    pub(crate) dedupe: Dedupe,
    pub(crate) in_flight: InFlight,
    /// What events are chained with.
    pub(crate) chain: ChainKey,
    dir: DataDir,
}

impl Store {
    /// Opens the data directory, or makes it (mode 0700), and locks it until the store is dropped.
    ///
    /// # Errors
    /// It belongs to another user, is open to others, is in use, has a newer schema, lacks the key of its audit, or cannot be read or
    /// written.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_or_renew(data_dir, LostKey::Refuse)
    }

    /// The same, with a new key of the audit where the old one is lost, if that is said: then the audit until now verifies no more.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_or_renew(data_dir: &Path, lost: LostKey) -> Result<Self, StoreError> {
        let dir = DataDir::open(data_dir)?;
        let metadata = dir.path().join("modelet.db");
        dir.check_metadata(&metadata)?;
        let db = Db::open(&metadata, METADATA, Durability::Power)?;
        let pairs = Db::open(&dir.path().join("keyvalue.db"), KEY_VALUE, Durability::Process)?;
        let books = Db::open(&dir.path().join("usage.db"), USAGE, Durability::Process)?;
        let chain = ChainKey::open(dir.path(), chain::is_begun(&db)?, lost)?;
        chain::begin(&db, &chain)?;
        Ok(Self { db, pairs, books, dedupe: Dedupe::All, in_flight: InFlight::default(), chain, dir })
    }

    /// The same store, which keeps new contents apart as said. Those that are there stay where they are.
    #[must_use]
    pub fn with_dedupe(self, dedupe: Dedupe) -> Self {
        Self { dedupe, ..self }
    }

    /// Whether the same bytes of two tenants are one file.
    #[must_use]
    pub fn dedupe(&self) -> Dedupe {
        self.dedupe
    }

    /// How often the databases were asked for something, or changed: whoever must not tell two questions apart compares it.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.db.accesses() + self.pairs.accesses() + self.books.accesses()
    }

    /// The data directory, as an absolute path.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }
}
