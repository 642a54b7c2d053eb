//! Changes, and in whose hands they are.
//!
//! Whatever an audit tells is changed through [`Changes`] alone, which only [`Store::by`] gives: no change can be written down
//! without whoever made it. A method that changes something is one of `impl Changes<'_>` and works in [`Changes::write`], whose
//! transaction ([`Changing`]) is what [`crate::events::note`] asks for.

use crate::actor::Actor;
use crate::chain::ChainKey;
use crate::error::StoreError;
use crate::store::Store;
use rusqlite::Transaction;
use std::ops::Deref;

/// The store in somebody's hands.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    store: &'a Store,
    by: &'a Actor,
}

impl Store {
    /// The store, for changes that somebody makes.
    #[must_use]
    pub fn by<'a>(&'a self, actor: &'a Actor) -> Changes<'a> {
        Changes { store: self, by: actor }
    }
}

impl Changes<'_> {
    /// Changes all or nothing, with what is noted of it.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Changing<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.store.db.write(|tx| work(&Changing { tx, by: self.by, key: &self.store.chain }))
    }
}

impl Deref for Changes<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

/// A transaction in somebody's hands.
pub(crate) struct Changing<'a> {
    tx: &'a Transaction<'a>,
    /// Whose.
    pub(crate) by: &'a Actor,
    /// What chains the notes of it.
    pub(crate) key: &'a ChainKey,
}

impl<'a> Deref for Changing<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        self.tx
    }
}
