//! Ending a load from another thread.
//!
//! ONNX Runtime looks at a flag between the steps of a load (a rewriting of the graph, a node that is folded, a weight that
//! is packed), so a load that is told to stop ends some milliseconds later and leaves nothing behind.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ort::session::builder::{LoadCanceler, SessionBuilder};

use crate::error::LoadError;

/// The switch of one load. Clones are the same switch; one that was used stays used.
#[derive(Clone, Default)]
pub struct LoadStop {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    ended: Option<Ended>,
    /// Reaches the load in progress.
    canceler: Option<LoadCanceler>,
    /// When its time is over, and how much that was.
    until: Option<(Instant, Duration)>,
}

/// A load with a time limit; dropped when it is over.
pub(crate) struct Limited<'a>(&'a LoadStop);

/// Why a load was told to end.
#[derive(Clone, Copy)]
enum Ended {
    Cancelled,
    TimedOut(Duration),
}

/// A load as the watchdog sees it.
pub(crate) struct WatchedLoad(Weak<Mutex<State>>);

impl LoadStop {
    /// Ends the load with [`LoadError::Cancelled`], or keeps it from beginning.
    pub fn cancel(&self) {
        lock(&self.state).end(Ended::Cancelled);
    }

    /// What loads from now on may take `time_max`. The watchdog has to be told.
    pub(crate) fn limit(&self, time_max: Duration) -> Limited<'_> {
        lock(&self.state).until = Instant::now().checked_add(time_max).map(|until| (until, time_max));
        Limited(self)
    }

    /// A load with these options begins now.
    pub(crate) fn begin(&self, options: &SessionBuilder) {
        let mut state = lock(&self.state);
        state.canceler = Some(options.canceler());
        if let Some(ended) = state.ended {
            state.end(ended);
        }
    }

    /// The load is over; says why it was told to end, if it was.
    pub(crate) fn finish(&self) -> Option<LoadError> {
        let mut state = lock(&self.state);
        state.canceler = None;
        state.ended.map(|ended| match ended {
            Ended::Cancelled => LoadError::Cancelled,
            Ended::TimedOut(limit) => LoadError::TimedOut(limit),
        })
    }

    pub(crate) fn watched(&self) -> WatchedLoad {
        WatchedLoad(Arc::downgrade(&self.state))
    }
}

impl WatchedLoad {
    /// Ends the load if its time is over. Says whether it still has any.
    pub(crate) fn end_if_late(&self, now: Instant) -> bool {
        let Some(state) = self.0.upgrade() else { return false };
        let mut state = lock(&state);
        match state.until {
            None => false,
            Some((until, time_max)) if until <= now => {
                state.end(Ended::TimedOut(time_max));
                false
            }
            Some(_) => true,
        }
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).until = None;
    }
}

impl State {
    /// The first reason stays.
    fn end(&mut self, why: Ended) {
        self.ended.get_or_insert(why);
        if let Some(canceler) = &self.canceler {
            // It only sets a flag; were it to fail, the load would end by itself.
            let _ = canceler.cancel();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for LoadStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        write!(f, "LoadStop(in progress: {}, ended: {})", state.canceler.is_some(), state.ended.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_is_late_is_told_once_and_one_that_is_over_is_not() {
        let stop = LoadStop::default();
        let watched = stop.watched();
        let now = Instant::now();
        assert!(!watched.end_if_late(now), "nothing has begun");
        let limited = stop.limit(Duration::from_secs(3600));
        assert!(watched.end_if_late(now), "it has time left");
        drop(limited);
        assert!(!watched.end_if_late(now + Duration::from_secs(7200)));
        assert!(stop.finish().is_none());
        let limited = stop.limit(Duration::ZERO);
        assert!(!watched.end_if_late(Instant::now()));
        assert!(matches!(stop.finish(), Some(LoadError::TimedOut(limit)) if limit.is_zero()));
        stop.cancel();
        assert!(matches!(stop.finish(), Some(LoadError::TimedOut(_))), "the first reason stays");
        drop(limited);
        drop(stop);
        assert!(!watched.end_if_late(Instant::now()));
    }
}
