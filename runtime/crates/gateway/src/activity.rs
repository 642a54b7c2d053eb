//! When something last moved on a connection, so that one on which nothing moves can be closed.
//!
//! One rule covers the idle client, the one that never sends a whole request, and the one that never reads its answer: a
//! connection rests from its last movement, or from the deadline of its last request while one is open, and may rest for
//! `keep_alive`. A client of HTTP/1.1 that has begun a request has less time for the rest of its head.

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
    /// What is known of the head that is coming: one of the three below, or since when, in milliseconds and [`SEEN`] more.
    head: AtomicU64,
}

/// None is.
const NO_HEAD: u64 = 0;
/// Bytes of one came since anybody looked.
const BEGUN: u64 = 1;
/// Requests come as frames of HTTP/2, which has pings for what is stuck.
const FRAMES: u64 = u64::MAX;
const SEEN: u64 = 2;

/// What every connection of HTTP/2 begins with (RFC 9113, 3.4); no method of HTTP/1.1 is called that.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

impl Activity {
    /// A connection that was opened now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            opened: now,
            open_requests: AtomicU32::new(0),
            moved_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(0),
            head: AtomicU64::new(NO_HEAD),
        }
    }

    /// The client sent these bytes. No clock is read for that: whoever looks next knows since when at the latest.
    pub(crate) fn received(&self, bytes: &[u8]) {
        if self.head.load(Ordering::Relaxed) == NO_HEAD {
            let head = if bytes.starts_with(PREFACE) { FRAMES } else { BEGUN };
            self.head.store(head, Ordering::Relaxed);
        }
    }

    /// Whether the client has taken `limit` or longer to send a head, as far as was looked before.
    pub(crate) fn is_head_late(&self, now: Instant, limit: Duration) -> bool {
        let now_ms = self.ms(now);
        match self.head.load(Ordering::Relaxed) {
            NO_HEAD | FRAMES => false,
            // What comes while a request is open is its body, or a head that has to wait.
            _ if self.open_requests.load(Ordering::Relaxed) > 0 => false,
            BEGUN => {
                self.head.store(now_ms.saturating_add(SEEN), Ordering::Relaxed);
                false
            }
            seen => {
                now_ms.saturating_add(SEEN).saturating_sub(seen) >= u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Requests come as frames of HTTP/2, however their beginning was cut into pieces.
    pub(crate) fn has_frames(&self) {
        self.head.store(FRAMES, Ordering::Relaxed);
    }

    fn head_is_over(&self) {
        if self.head.load(Ordering::Relaxed) != FRAMES {
            self.head.store(NO_HEAD, Ordering::Relaxed);
        }
    }

    /// A request has arrived and will have run by its deadline.
    pub(crate) fn begin(&self, now: Instant, deadline: Instant) {
        self.open_requests.fetch_add(1, Ordering::Relaxed);
        self.head_is_over();
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
        self.head_is_over();
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

    #[test]
    fn a_head_is_late_when_it_was_seen_so_long_ago_and_is_still_not_whole() {
        const LIMIT: Duration = Duration::from_secs(30);
        let opened = Instant::now();
        let activity = Activity::new(opened);
        assert!(!activity.is_head_late(opened + s(100), LIMIT), "nothing came");
        activity.received(b"GET / HT");
        assert!(!activity.is_head_late(opened + s(200), LIMIT), "since when, nobody knows");
        activity.received(b"T");
        assert!(!activity.is_head_late(opened + s(229), LIMIT));
        assert!(activity.is_head_late(opened + s(230), LIMIT));

        activity.begin(opened + s(231), opened + s(300));
        activity.received(b"the body");
        assert!(!activity.is_head_late(opened + s(232), LIMIT));
        assert!(!activity.is_head_late(opened + s(299), LIMIT));
        activity.end(opened + s(300));
        assert!(!activity.is_head_late(opened + s(400), LIMIT) && !activity.is_head_late(opened + s(500), LIMIT));
    }

    #[test]
    fn frames_of_http2_are_no_heads() {
        let opened = Instant::now();
        let activity = Activity::new(opened);
        activity.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        activity.begin(opened, opened + s(10));
        activity.end(opened + s(1));
        activity.received(b"a ping");
        assert!(!activity.is_head_late(opened + s(100), s(30)) && !activity.is_head_late(opened + s(200), s(30)));
    }
}
