//! Stopping a run from another thread, and only the run that was meant.
//!
//! A session keeps one `RunOptions` for all its runs, so a late "stop" could hit the next caller's run. Each run has a
//! number; a stop names it and is ignored once that run is over. The lock is held for a few instructions, never while
//! the model runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ort::session::RunOptions;

/// The switch of one session.
pub(crate) struct Control {
    options: RunOptions,
    state: Mutex<State>,
}

/// One run of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(u64);

/// Why a run was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody waits for its answer any more.
    Abandoned,
    /// It held the caller's thread for too long.
    Overran,
}

#[derive(Default)]
struct State {
    runs: u64,
    /// The run in progress: since when, and whether on a caller's thread.
    current: Option<(RunId, Instant, bool)>,
    stopped: Option<Stop>,
}

impl Control {
    pub(crate) fn new() -> ort::Result<Self> {
        Ok(Self { options: RunOptions::new()?, state: Mutex::default() })
    }

    /// What a run is started with; the stop reaches it through these.
    pub(crate) fn options(&self) -> &RunOptions {
        &self.options
    }

    /// A run begins, at `now`; `inline` on a caller's own thread.
    pub(crate) fn begin(&self, now: Instant, inline: bool) -> RunId {
        let mut state = self.lock();
        state.runs += 1;
        let id = RunId(state.runs);
        state.current = Some((id, now, inline));
        id
    }

    /// The run is over. Says whether it had been told to stop, and makes the switch fit for the next one.
    pub(crate) fn end(&self) -> Option<Stop> {
        let mut state = self.lock();
        state.current = None;
        let stopped = state.stopped.take();
        if stopped.is_some() {
            // It only clears a flag; were it to fail, the next run would end at once and say so.
            let _ = self.options.unterminate();
        }
        stopped
    }

    /// Stops the run `id`, if it is still the one in progress.
    pub(crate) fn stop(&self, id: RunId, why: Stop) {
        let mut state = self.lock();
        if state.current.is_some_and(|(current, ..)| current == id) {
            self.terminate(&mut state, why);
        }
    }

    /// Stops an inline run that began more than `limit` before `now`. Says whether an inline run is in progress.
    pub(crate) fn stop_if_overrun(&self, now: Instant, limit: Duration) -> bool {
        let mut state = self.lock();
        let Some((_, since, true)) = state.current else { return false };
        if now.saturating_duration_since(since) > limit {
            self.terminate(&mut state, Stop::Overran);
        }
        true
    }

    /// The first reason stays.
    fn terminate(&self, state: &mut State, why: Stop) {
        state.stopped.get_or_insert(why);
        // It only sets a flag; were it to fail, the run would end by itself.
        let _ = self.options.terminate();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
