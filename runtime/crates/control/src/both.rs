//! What is stored and what serves, told of as one.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A lock without anything in it. Held for moments, by what blocks.
#[derive(Debug, Default)]
pub(crate) struct Both(RwLock<()>);

impl Both {
    /// Nobody changes the one without the other.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody sees the one without the other.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
