//! When something last moved on a connection, so that one on which nothing moves can be closed.
//!
//! One rule covers the idle client, the one that never sends a whole request, and the one that never reads its answer: a
//! connection rests from its last movement, or from the deadline of its last request while one is open, and may rest for
//! `keep_alive`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// The movements of one connection. Times are milliseconds since `opened`.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    open_requests: AtomicU32,
    moved_ms: AtomicU64,
    deadline_ms: AtomicU64,
}

impl Activity {
    /// A connection that was opened now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            opened: now,
            open_requests: AtomicU32::new(0),
            moved_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(0),
        }
    }

    /// A request has arrived and will have run by its deadline.
    pub(crate) fn begin(&self, now: Instant, deadline: Instant) {
        self.open_requests.fetch_add(1, Ordering::Relaxed);
        self.moved(now);
        self.deadline_ms.fetch_max(self.ms(deadline), Ordering::Relaxed);
    }

    /// A piece of an answer went out.
    pub(crate) fn moved(&self, now: Instant) {
        self.moved_ms.fetch_max(self.ms(now), Ordering::Relaxed);
    }

    /// A request has been answered, or given up.
    pub(crate) fn end(&self, now: Instant) {
        self.moved(now);
        self.open_requests.fetch_sub(1, Ordering::Relaxed);
    }

    /// When the connection is to be closed if nothing moves until then.
    pub(crate) fn closes_at(&self, keep_alive: Duration) -> Instant {
        let moved = self.moved_ms.load(Ordering::Relaxed);
        let is_open = self.open_requests.load(Ordering::Relaxed) > 0;
        let rests_from = if is_open { moved.max(self.deadline_ms.load(Ordering::Relaxed)) } else { moved };
        clock::after(clock::after(self.opened, Duration::from_millis(rests_from)), keep_alive)
    }

    fn ms(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(75);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_without_a_request_rests_from_the_start() {
        let opened = Instant::now();
        assert_eq!(Activity::new(opened).closes_at(KEEP_ALIVE), opened + s(75));
    }

    #[test]
    fn an_open_request_may_take_until_its_deadline() {
        let opened = Instant::now();
        let activity = Activity::new(opened);
        activity.begin(opened + s(1), opened + s(300));
        assert_eq!(activity.closes_at(KEEP_ALIVE), opened + s(375));
        activity.end(opened + s(2));
        assert_eq!(activity.closes_at(KEEP_ALIVE), opened + s(77));
    }

    #[test]
    fn an_answer_that_moves_after_the_deadline_keeps_the_connection() {
        let opened = Instant::now();
        let activity = Activity::new(opened);
        activity.begin(opened, opened + s(10));
        activity.moved(opened + s(40));
        activity.moved(opened + s(39));
        assert_eq!(activity.closes_at(KEEP_ALIVE), opened + s(115));
    }
}
