//! Changes, and in whose hands they are.
//!
//! Whatever an audit tells is changed through [`Changes`] alone, which only [`Store::by`] gives: no change can be written down
//! without whoever made it. A method that changes something is one of `impl Changes<'_>` and works in [`Changes::write`], whose
//! transaction ([`Changing`]) is what [`crate::events::note`] asks for.

use crate::actor::Actor;
use crate::chain::ChainKey;
use crate::error::StoreError;
use crate::intent::Intent;
use crate::store::Store;
use crate::things::Thing;
use rusqlite::Transaction;
use std::cell::Cell;
use std::ops::Deref;

/// The store in somebody's hands.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    store: &'a Store,
    by: &'a Actor,
    /// What is meant, if it was said.
    intent: Option<&'a Intent>,
}

impl Store {
    /// The store, for changes that somebody makes.
    #[must_use]
    pub fn by<'a>(&'a self, actor: &'a Actor) -> Changes<'a> {
        Changes { store: self, by: actor, intent: None }
    }
}

impl<'a> Changes<'a> {
    /// The same, for a change that is meant so: it is made if its thing is as expected, and else refused
    /// ([`StoreError::Unexpected`]).
    #[must_use]
    pub fn meaning(self, intent: &'a Intent) -> Self {
        Self { intent: Some(intent), ..self }
    }

    /// Changes all or nothing, with what is noted of it.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Changing<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // What has been made in part was compared then, and is no longer as it was.
        let open = self.intent.filter(|intent| !intent.is_made());
        let (done, revision) = self.store.db.write(|tx| {
            let (by, key, unmet) = (self.by, &self.store.chain, Cell::new(open));
            let tx = Changing { tx, by, key, unmet };
            let done = work(&tx)?;
            // Nothing of it was changed; it is refused all the same.
            tx.meets()?;
            let Some(intent) = open else { return Ok((done, None)) };
            intent.write(&tx)?;
            Ok((done, intent.now(&tx)?))
        })?;
        if let Some(intent) = open {
            intent.make(revision);
        }
        Ok(done)
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
    /// What is meant, until it has been compared with what is there.
    unmet: Cell<Option<&'a Intent>>,
}

impl Changing<'_> {
    /// Right before a thing is changed: refuses that where it is meant, and the thing is not as expected. What else is wrong with a
    /// change was told by then.
    pub(crate) fn changes(&self, thing: &Thing) -> Result<(), StoreError> {
        match self.unmet.get() {
            Some(intent) if intent.thing() == Some(thing) => self.meets(),
            _ => Ok(()),
        }
    }

    fn meets(&self) -> Result<(), StoreError> {
        self.unmet.take().map_or(Ok(()), |intent| intent.check(self))
    }
}

impl<'a> Deref for Changing<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        self.tx
    }
}
