//! A model's sessions and the calls that wait for one. The lock is held to move a session or calls, never to run.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelet_spec::Flow;

use crate::batch::fair::FairQueue;
use crate::batch::former::{self, Runner, Terms};
use crate::call::{BoxedCall, Call, Home, Ticket};
use crate::onnx::Session;

/// The sessions of one model.
pub(crate) struct Pool {
    terms: Terms,
    state: Mutex<State>,
    /// Threads of each session; one that has another number goes when it comes back. Changed under the lock only.
    threads: AtomicUsize,
}

struct State {
    /// With the thread that each ran on last: its data is in that core's caches.
    idle: Vec<(Home, Session)>,
    waiting: FairQueue<BoxedCall>,
    /// Loaded sessions, idle and busy.
    total: usize,
    /// Sessions on their way to a worker: taken, but not running yet.
    sent: usize,
    /// Sessions being loaded.
    growing: usize,
    /// How many there may be; falls to `total` when one cannot be loaded.
    sessions_max: usize,
}

/// What to do for the calls that wait.
pub(crate) enum Next {
    /// Send this session to a worker.
    Serve(Session),
    /// Load one more session.
    Grow,
    /// Nothing: none is ready, or all sessions are at work.
    Wait,
}

/// What becomes of a session that is given back.
pub(crate) enum GivenBack {
    /// It is idle.
    Kept,
    /// A call is ready: send it to a worker.
    Wanted(Session),
    /// Sessions have another number of threads now: drop it.
    Retired(Session),
}

/// What became of a call that was handed in.
pub(crate) enum Queued {
    /// It waits.
    In,
    /// It waits, and this one had to leave for it.
    InsteadOf(BoxedCall),
    /// The queue has no place for it.
    Full(BoxedCall),
}

impl Pool {
    /// Starts with one session; at most `queue_max` calls wait.
    pub(crate) fn new(first: Session, sessions_max: usize, queue_max: usize, terms: Terms) -> Self {
        let (waiting, threads) = (FairQueue::new(queue_max), AtomicUsize::new(first.threads()));
        let state = State { idle: vec![(Home::here(), first)], waiting, total: 1, sent: 0, growing: 0, sessions_max };
        Self { terms, state: Mutex::new(state), threads }
    }

    /// An idle session, if nobody waits for one.
    pub(crate) fn take_idle(&self) -> Option<Session> {
        let mut state = self.lock();
        if state.waiting.len() == 0 { state.take_idle() } else { None }
    }

    /// Hands in a call. If its rule lets it wait for company, and it has found enough, it waits no longer. One that was stopped on
    /// its caller's thread always finds a place.
    pub(crate) fn push(&self, mut call: BoxedCall) -> Queued {
        let mut state = self.lock();
        // A caller who gathers looks by itself in a moment.
        let is_enough = |call: &Call| !call.gathers && former::is_enough(&state.waiting, call, &self.terms);
        call.is_held = call.is_held && !is_enough(&call);
        if call.is_suspect {
            // It had a session before, and needed no place: who came meanwhile must not keep it from being run again.
            state.waiting.put_back(&call.flow.clone(), call.rows, call);
            return Queued::In;
        }
        match state.waiting.push(&call.flow.clone(), call.rows, call) {
            Ok(None) => Queued::In,
            Ok(Some(other)) => Queued::InsteadOf(other),
            Err(call) => Queued::Full(call),
        }
    }

    /// Hands in calls again whose run has to be repeated, before all others of their flows; those whose callers have
    /// left meanwhile are dropped.
    pub(crate) fn put_back(&self, calls: Vec<BoxedCall>) {
        let mut state = self.lock();
        for call in calls.into_iter().rev() {
            // Asked under the lock, so that a caller who leaves now finds its call in the queue.
            if call.ticket.requeue() {
                state.waiting.put_back(&call.flow.clone(), call.rows, call);
            }
        }
    }

    /// A held call waits no longer.
    pub(crate) fn release(&self, flow: &Flow, ticket: &Arc<Ticket>) {
        let mut state = self.lock();
        if let Some(call) = state.waiting.find(flow, |call| Arc::ptr_eq(&call.ticket, ticket)) {
            call.is_held = false;
        }
    }

    /// What has to be done for the calls that wait.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.lock();
        if !state.has_ready() {
            return Next::Wait;
        }
        if let Some(session) = state.take_idle() {
            state.sent += 1;
            return Next::Serve(session);
        }
        if state.total + state.growing < state.sessions_max {
            state.growing += 1;
            return Next::Grow;
        }
        Next::Wait
    }

    /// On a worker, which has a session that `next` or `give_back` sent: the calls to run on it; none if others were
    /// quicker.
    pub(crate) fn take_sent(&self, bytes_max: usize) -> Vec<BoxedCall> {
        let mut state = self.lock();
        state.sent = state.sent.saturating_sub(1);
        former::form(&mut state.waiting, &self.terms, bytes_max, Runner::Worker)
    }

    /// On a caller's thread: an idle session and the calls to run on it.
    pub(crate) fn take_here(&self, runner: Runner<'_>, bytes_max: usize) -> Option<(Session, Vec<BoxedCall>)> {
        let mut state = self.lock();
        let session = state.take_idle()?;
        let calls = former::form(&mut state.waiting, &self.terms, bytes_max, runner);
        if calls.is_empty() {
            state.idle.push((Home::here(), session));
            return None;
        }
        Some((session, calls))
    }

    /// Gives a session back.
    pub(crate) fn give_back(&self, session: Session) -> GivenBack {
        let mut state = self.lock();
        if session.threads() != self.threads() {
            state.total -= 1;
            return GivenBack::Retired(session);
        }
        if state.has_ready() && !state.is_looked_after() {
            state.sent += 1;
            return GivenBack::Wanted(session);
        }
        state.idle.push((Home::here(), session));
        GivenBack::Kept
    }

    /// From now on sessions are like `session`, at most `sessions_max`. Gives the idle ones that are not; the others go
    /// when they come back.
    pub(crate) fn replace(&self, session: Session, sessions_max: usize) -> Vec<Session> {
        let mut state = self.lock();
        self.threads.store(session.threads(), Relaxed);
        state.sessions_max = sessions_max;
        let retired = std::mem::replace(&mut state.idle, vec![(Home::here(), session)]);
        state.total = state.total + 1 - retired.len();
        retired.into_iter().map(|(_, session)| session).collect()
    }

    /// Threads of each session.
    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Relaxed)
    }

    /// A session that `next` asked for is there, or could not be loaded: then none is tried again.
    pub(crate) fn grown(&self, loaded: bool) {
        let mut state = self.lock();
        state.growing = state.growing.saturating_sub(1);
        if loaded {
            state.total += 1;
        } else {
            state.sessions_max = state.total;
        }
    }

    /// Takes a waiting call out; it may have left by itself.
    pub(crate) fn remove(&self, flow: &Flow, ticket: &Arc<Ticket>) {
        let removed = self.lock().waiting.remove(flow, |call| Arc::ptr_eq(&call.ticket, ticket));
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
        state.total.saturating_sub(state.idle.len() + state.sent)
    }

    /// Calls that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The session that this thread used last, or another.
    fn take_idle(&mut self) -> Option<Session> {
        let here = Home::here();
        let own = self.idle.iter().rposition(|(home, _)| *home == here);
        let at = own.or_else(|| self.idle.len().checked_sub(1))?;
        Some(self.idle.swap_remove(at).1)
    }

    /// Whether a batch can be formed.
    fn has_ready(&self) -> bool {
        self.waiting.iter().any(|call| !call.is_held)
    }

    /// Whether a caller looks in a moment, who takes what he finds: a worker would keep the session from him, so that he had to
    /// wait for one too, and the next after him. He also sees to it that what he cannot take is dispatched, even if he leaves.
    fn is_looked_after(&self) -> bool {
        self.waiting.iter().any(|call| call.is_held && call.gathers)
    }
}
