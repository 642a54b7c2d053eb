//! When all callers may ask, have to pause, or end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// A request that is being answered ends within this, or fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What callers are to do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Ask.
    #[default]
    Go,
    /// Let go of connections, and ask nothing.
    Pause,
    /// End.
    Stop,
}

/// One for all.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    word: Word,
    paused: usize,
}

impl Gate {
    /// Waits until it is time, or the word is another than to go. The word.
    pub(crate) fn until(&self, due: Instant) -> Word {
        let mut state = self.lock();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if state.word != Word::Go || left.is_zero() {
                return state.word;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Stays as long as the word is to pause.
    pub(crate) fn rest(&self) {
        let mut state = self.lock();
        state.paused += 1;
        self.changed.notify_all();
        while state.word == Word::Pause {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.paused -= 1;
    }

    /// All pause; returns once that many do.
    ///
    /// # Errors
    /// When they do not within a minute.
    pub(crate) fn pause(&self, all: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        self.say(Word::Pause);
        let mut state = self.lock();
        while state.paused < all {
            let left = until.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{} of {all} callers have not paused within a minute", all - state.paused);
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// All go on.
    pub(crate) fn go(&self) {
        self.say(Word::Go);
    }

    /// All end.
    pub(crate) fn stop(&self) {
        self.say(Word::Stop);
    }

    fn say(&self, word: Word) {
        self.lock().word = word;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
