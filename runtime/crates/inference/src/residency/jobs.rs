//! What waits for one of the residency's own threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue that ends. It needs no limit of its own: a load is asked for once per model, and a model comes in once to go.
pub(super) struct Jobs<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    is_over: bool,
}

/// What there is to do.
pub(super) enum Next<T> {
    /// This.
    Job(T),
    /// Nothing has come for the given time.
    Nothing,
    /// No more will come.
    Over,
}

impl<T> Jobs<T> {
    pub(super) fn new() -> Self {
        let state = State { queue: VecDeque::new(), is_over: false };
        Self { state: Mutex::new(state), ready: Condvar::new() }
    }

    pub(super) fn push(&self, job: T) {
        self.lock().queue.push_back(job);
        self.ready.notify_one();
    }

    /// The next job; waits for one for `time`.
    pub(super) fn next(&self, time: Duration) -> Next<T> {
        let waits = |state: &mut State<T>| state.queue.is_empty() && !state.is_over;
        let waited = self.ready.wait_timeout_while(self.lock(), time, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.queue.pop_front() {
            Some(job) => Next::Job(job),
            None if state.is_over => Next::Over,
            None => Next::Nothing,
        }
    }

    /// Nobody pushes any more.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_in_order_and_what_is_left_is_done_before_the_end() {
        let jobs = Jobs::new();
        assert!(matches!(jobs.next(Duration::ZERO), Next::Nothing));
        jobs.push(1);
        jobs.push(2);
        jobs.end();
        assert!(matches!(jobs.next(Duration::ZERO), Next::Job(1)));
        assert!(matches!(jobs.next(Duration::ZERO), Next::Job(2)));
        assert!(matches!(jobs.next(Duration::MAX), Next::Over));
    }
}
