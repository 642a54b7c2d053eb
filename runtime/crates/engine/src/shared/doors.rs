//! Which instance a request goes to: so many places in each, so many instances, and no queue beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

/// The instances of one pool that take requests.
pub(crate) struct Doors<T> {
    open: Mutex<Vec<Open<T>>>,
    /// In each instance.
    places: u32,
    /// Instances.
    most: usize,
}

struct Open<T> {
    door: Arc<Door>,
    sender: mpsc::Sender<T>,
    /// Places that are taken, from a request's coming until its guest is done with it.
    taken: u32,
}

/// What an instance tells those who come.
#[derive(Debug, Default)]
pub(crate) struct Door {
    computes: AtomicBool,
}

/// Where a request is that came.
pub(crate) enum Came<T> {
    /// In an instance.
    In,
    /// In one that is yet to be made, and that will find it there.
    New(Arc<Door>, mpsc::Receiver<T>),
    /// There is no place. Never, if no more come than the function's concurrency allows.
    Full(T),
}

impl Door {
    /// Whether a guest computes in it now: who comes would have to wait.
    pub(super) fn computes(&self, is_so: bool) {
        self.computes.store(is_so, Ordering::Relaxed);
    }
}

impl<T> Doors<T> {
    /// `places` in each of as many instances as `concurrency` requests need.
    pub(crate) fn new(places: u32, concurrency: u32) -> Self {
        let places = places.max(1);
        let most = usize::try_from(concurrency.div_ceil(places)).unwrap_or(usize::MAX).max(1);
        Self { open: Mutex::default(), places, most }
    }

    /// Finds a place: among those who wait, so that as few instances as will do are used; in a new one, if all are full or
    /// compute; beside those who compute, if there are as many as may be.
    pub(super) fn come(&self, mut one: T) -> Came<T> {
        let mut open = self.open();
        loop {
            let can_grow = open.len() < self.most;
            let is_fit = |open: &&mut Open<T>| {
                open.taken < self.places && !(can_grow && open.door.computes.load(Ordering::Relaxed))
            };
            let rank = |open: &&mut Open<T>| (!open.door.computes.load(Ordering::Relaxed), open.taken);
            let Some(best) = open.iter_mut().filter(is_fit).max_by_key(rank) else {
                return if can_grow { self.grow(&mut open, one) } else { Came::Full(one) };
            };
            match best.sender.try_send(one) {
                Ok(()) => {
                    best.taken += 1;
                    return Came::In;
                }
                // Whoever should take it has gone without a word.
                Err(mpsc::error::TrySendError::Closed(back) | mpsc::error::TrySendError::Full(back)) => {
                    one = back;
                    let door = Arc::clone(&best.door);
                    open.retain(|open| !Arc::ptr_eq(&open.door, &door));
                }
            }
        }
    }

    fn grow(&self, open: &mut Vec<Open<T>>, one: T) -> Came<T> {
        let places = usize::try_from(self.places).unwrap_or(usize::MAX);
        let (sender, receiver) = mpsc::channel(places);
        if let Err(mpsc::error::TrySendError::Closed(one) | mpsc::error::TrySendError::Full(one)) = sender.try_send(one)
        {
            return Came::Full(one);
        }
        let door = Arc::<Door>::default();
        open.push(Open { door: Arc::clone(&door), sender, taken: 1 });
        Came::New(door, receiver)
    }

    /// The guest is done with a request: its place is free.
    pub(super) fn gone(&self, door: &Arc<Door>) {
        if let Some(open) = self.open().iter_mut().find(|open| Arc::ptr_eq(&open.door, door)) {
            open.taken = open.taken.saturating_sub(1);
        }
    }

    /// Nobody comes into this instance any more.
    pub(super) fn close(&self, door: &Arc<Door>) {
        self.open().retain(|open| !Arc::ptr_eq(&open.door, door));
    }

    /// Closes an instance that has no request. `false`: it has, or one has just come.
    pub(super) fn leave(&self, door: &Arc<Door>) -> bool {
        let mut open = self.open();
        open.retain(|open| !Arc::ptr_eq(&open.door, door) || open.taken > 0);
        !open.iter().any(|open| Arc::ptr_eq(&open.door, door))
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open<T>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
