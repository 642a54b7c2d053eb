//! What a change is meant for: which thing, and what its maker has seen of it.
//!
//! Compared in the transaction of the change ([`crate::Changes`]), so that nothing comes between; a change that is asked for several
//! transactions is compared in the first.

use crate::error::StoreError;
use crate::requests::Once;
use crate::store::Store;
use crate::things::{Revision, Thing};
use rusqlite::Transaction;
use std::sync::{Arc, OnceLock};

/// Which revisions a thing may have for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// It has one of these; `None`: whatever it has.
    pub is: Option<Revisions>,
    /// It has none of these.
    pub is_not: Option<Revisions>,
}

/// Revisions, as whoever asks names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revisions {
    /// Any that there is.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// A change that somebody means to make.
#[derive(Debug)]
pub struct Intent {
    thing: Option<Thing>,
    expected: Expected,
    /// The request that it is made for, if that is to be done once.
    once: Option<Arc<Once>>,
    made: OnceLock<Option<Revision>>,
}

impl Expected {
    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn allows(&self, now: Option<&Revision>) -> bool {
        let has = |revisions: &Revisions| revisions.have(now);
        self.is.as_ref().is_none_or(has) && !self.is_not.as_ref().is_some_and(has)
    }
}

impl Revisions {
    /// Whether a thing's revision is among them; `None`: there is no such thing.
    #[must_use]
    pub fn have(&self, now: Option<&Revision>) -> bool {
        match (self, now) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::OneOf(named), Some(now)) => named.iter().any(|named| named == now.as_str()),
        }
    }
}

impl Intent {
    /// To change `thing`, if it is as expected; `None`: what has no revision.
    #[must_use]
    pub fn new(thing: Option<Thing>, expected: Expected) -> Self {
        Self { thing, expected, once: None, made: OnceLock::new() }
    }

    /// The same, for a request that is to be done once.
    #[must_use]
    pub fn once(self, once: Option<Arc<Once>>) -> Self {
        Self { once, ..self }
    }

    /// The thing's revision since the change was made; `None`: none was made, or the thing is no more.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        self.made.get()?.as_ref()
    }

    /// Whether it has been made, or a part of it.
    pub(crate) fn is_made(&self) -> bool {
        self.made.get().is_some()
    }

    /// Writes down that the request was done, in the transaction of its change.
    pub(crate) fn write(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        let thing = self.thing.as_ref().map(ToString::to_string);
        self.once.as_ref().map_or(Ok(()), |once| once.write(tx, thing.as_deref()))
    }

    /// It has been made.
    pub(crate) fn make(&self, revision: Option<Revision>) {
        if let Some(once) = &self.once {
            once.committed();
        }
        // What came first counts: of several transactions the first is what was meant.
        let _ = self.made.set(revision);
    }

    /// What it is for.
    pub(crate) fn thing(&self) -> Option<&Thing> {
        self.thing.as_ref()
    }

    /// The thing's revision at this moment.
    pub(crate) fn now(&self, tx: &Transaction<'_>) -> Result<Option<Revision>, StoreError> {
        self.thing.as_ref().map_or(Ok(None), |thing| thing.revision(tx))
    }

    /// Refuses the change where the thing is not as expected at this moment.
    pub(crate) fn check(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        if self.expected.is_empty() {
            return Ok(());
        }
        let now = self.now(tx)?;
        match self.expected.allows(now.as_ref()) {
            true => Ok(()),
            false => Err(StoreError::Unexpected { thing: self.thing.clone(), now }),
        }
    }
}

impl Store {
    /// Refuses a change that cannot be made any more because its thing is not as expected: to be told before work is done for it. That it is
    /// not refused here is no promise. A thing that is not there is for the change itself to refuse, or to make.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`], or the metadata cannot be read.
    pub fn check_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        if intent.expected.is_empty() {
            return Ok(());
        }
        self.db.read(|tx| match (&intent.thing, intent.now(tx)?) {
            (Some(_), None) => Ok(()),
            _ => intent.check(tx),
        })
    }
}
