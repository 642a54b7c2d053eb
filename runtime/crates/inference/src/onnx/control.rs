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
    /// It took longer than the model may.
    RunLimit,
}

#[derive(Default)]
struct State {
    runs: u64,
    current: Option<Current>,
    stopped: Option<Stop>,
}

/// The run in progress.
struct Current {
    id: RunId,
    began: Instant,
    /// On a caller's own thread.
    is_inline: bool,
    run_max: Duration,
}

impl Control {
    pub(crate) fn new() -> ort::Result<Self> {
        Ok(Self { options: RunOptions::new()?, state: Mutex::default() })
    }

    /// One whose runs give the arena's free regions back to the system when they end.
    pub(crate) fn shrinking() -> ort::Result<Self> {
        let mut control = Self::new()?;
        control.options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
        Ok(control)
    }

    /// What a run is started with; the stop reaches it through these.
    pub(crate) fn options(&self) -> &RunOptions {
        &self.options
    }

    /// A run begins, at `began`, on a caller's own thread or not; after `run_max` the watchdog stops it.
    pub(crate) fn begin(&self, began: Instant, is_inline: bool, run_max: Duration) -> RunId {
        let mut state = self.lock();
        state.runs += 1;
        let id = RunId(state.runs);
        state.current = Some(Current { id, began, is_inline, run_max });
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
        if state.current.as_ref().is_some_and(|current| current.id == id) {
            self.terminate(&mut state, why);
        }
    }

    /// Stops the run in progress if at `now` it has taken more than its limit, or than `inline_max` on a caller's
    /// thread. Says whether a run is in progress.
    pub(crate) fn stop_if_overrun(&self, now: Instant, inline_max: Duration) -> bool {
        let mut state = self.lock();
        let Some(current) = &state.current else { return false };
        let ran = now.saturating_duration_since(current.began);
        if current.is_inline && ran > inline_max {
            self.terminate(&mut state, Stop::Overran);
        } else if ran > current.run_max {
            self.terminate(&mut state, Stop::RunLimit);
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
