//! A model's sessions and the jobs that wait for one. The lock is held to move a session or a job, never to run.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::job::{Job, Ticket};
use crate::onnx::Session;

/// The sessions of one model.
pub(crate) struct Pool {
    queue_max: usize,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Session>,
    waiting: VecDeque<Job>,
    /// Loaded sessions, idle and busy.
    total: usize,
    /// Sessions being loaded.
    growing: usize,
    /// How many there may be; falls to `total` when one cannot be loaded.
    sessions_max: usize,
}

/// What to do with a job that was handed in.
pub(crate) enum Submitted {
    /// Run it on this session.
    Run(Session, Job),
    /// It waits, and one more session shall be loaded.
    Grow,
    /// It waits.
    Queued,
    /// The queue is full, it has `0` jobs; the job was dropped.
    Full(usize),
}

impl Pool {
    /// Starts with one session; at most `queue_max` jobs wait.
    pub(crate) fn new(first: Session, sessions_max: usize, queue_max: usize) -> Self {
        let state = State { idle: vec![first], waiting: VecDeque::new(), total: 1, growing: 0, sessions_max };
        Self { queue_max, state: Mutex::new(state) }
    }

    /// An idle session, if nobody waits for one.
    pub(crate) fn take_idle(&self) -> Option<Session> {
        let mut state = self.lock();
        if state.waiting.is_empty() { state.idle.pop() } else { None }
    }

    /// Hands in a job.
    pub(crate) fn submit(&self, job: Job) -> Submitted {
        let mut state = self.lock();
        if let Some(session) = state.idle.pop() {
            return Submitted::Run(session, job);
        }
        if state.waiting.len() >= self.queue_max {
            return Submitted::Full(state.waiting.len());
        }
        state.waiting.push_back(job);
        if state.total + state.growing < state.sessions_max {
            state.growing += 1;
            return Submitted::Grow;
        }
        Submitted::Queued
    }

    /// Gives a session back. If a job waits, both come back at once, to be run.
    pub(crate) fn give_back(&self, session: Session) -> Option<(Session, Job)> {
        let mut state = self.lock();
        match state.waiting.pop_front() {
            Some(job) => Some((session, job)),
            None => {
                state.idle.push(session);
                None
            }
        }
    }

    /// A session that `submit` asked for is there, or could not be loaded: then none is tried again.
    pub(crate) fn grown(&self, loaded: bool) {
        let mut state = self.lock();
        state.growing = state.growing.saturating_sub(1);
        if loaded {
            state.total += 1;
        } else {
            state.sessions_max = state.total;
        }
    }

    /// Takes a waiting job out; it may have left by itself.
    pub(crate) fn remove(&self, ticket: &Arc<Ticket>) {
        let removed = {
            let mut state = self.lock();
            let at = state.waiting.iter().position(|job| Arc::ptr_eq(&job.ticket, ticket));
            at.and_then(|at| state.waiting.remove(at))
        };
        // Its inputs are freed without the lock.
        drop(removed);
    }

    /// Loaded sessions, idle and busy.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().total
    }

    /// Sessions in use.
    pub(crate) fn busy(&self) -> usize {
        let state = self.lock();
        state.total.saturating_sub(state.idle.len())
    }

    /// Jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
