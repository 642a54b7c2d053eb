//! The last lines of one function, and how to wait for the next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use modelet_spec::InvocationId;
use tokio::sync::Notify;

use crate::wire::{LogLine, LogPage};

/// What one ring holds, in bytes of lines.
const BYTES_MAX: usize = 256 << 10;
/// What a line takes beside its text: so many empty lines are no less memory.
const LINE_BYTES: usize = 96;
/// Lines of one page.
const PAGE_LINES: usize = 1000;

/// The last lines of one function.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    lines: Mutex<Lines>,
    grown: Notify,
    /// Bytes that invocations wrote beyond what they may.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<LogLine>,
    bytes: usize,
    /// Lines so far, those included that are gone.
    count: u64,
    /// When the last one came, in lines of all functions.
    last: u64,
}

impl Ring {
    /// An invocation wrote so much more than it may.
    pub(crate) fn dropped(&self, bytes: u64) {
        self.dropped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What all invocations together wrote beyond what they may, in bytes.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Adds a line and drops the oldest that are too many. Returns the bytes added and dropped.
    pub(super) fn push(&self, mut line: LogLine, now: u64) -> (usize, usize) {
        let mut lines = self.lock();
        lines.count = lines.count.saturating_add(1);
        line.seq = lines.count;
        lines.last = now;
        let added = bytes(&line);
        lines.bytes = lines.bytes.saturating_add(added);
        lines.kept.push_back(line);
        let mut dropped = 0_usize;
        while lines.bytes > BYTES_MAX {
            let Some(oldest) = lines.kept.pop_front() else { break };
            lines.bytes = lines.bytes.saturating_sub(bytes(&oldest));
            dropped = dropped.saturating_add(bytes(&oldest));
        }
        drop(lines);
        self.grown.notify_waiters();
        (added, dropped)
    }

    /// The lines after `after`, of one invocation or of all; waits for one if there is none, but not longer than `wait`.
    pub(crate) async fn page(&self, after: Option<u64>, of: Option<InvocationId>, wait: Duration) -> LogPage {
        let seen = async {
            loop {
                let mut grown = std::pin::pin!(self.grown.notified());
                // Before the look, so that a line which comes between the two is not missed.
                grown.as_mut().enable();
                let page = self.look(after, of);
                if !page.lines.is_empty() {
                    return page;
                }
                grown.await;
            }
        };
        match tokio::time::timeout(wait, seen).await {
            Ok(page) => page,
            Err(_) => self.look(after, of),
        }
    }

    /// What is there now. Without `after`, the newest page; with it, the oldest after it.
    fn look(&self, after: Option<u64>, of: Option<InvocationId>) -> LogPage {
        let lines = self.lock();
        let is_meant = |line: &&LogLine| of.is_none_or(|of| of == line.invocation);
        let mut found: Vec<LogLine> = match after {
            Some(after) => {
                lines.kept.iter().filter(|line| line.seq > after).filter(is_meant).take(PAGE_LINES).cloned().collect()
            }
            None => {
                let newest = lines.kept.iter().rev().filter(is_meant).take(PAGE_LINES).cloned();
                newest.collect::<Vec<_>>().into_iter().rev().collect()
            }
        };
        found.shrink_to_fit();
        // A full page may end before the last line; the next one goes on behind it.
        let next = match found.last() {
            Some(last) if found.len() == PAGE_LINES => last.seq,
            _ => lines.count.max(after.unwrap_or(0)),
        };
        LogPage { lines: found, next }
    }

    pub(super) fn holds_lines(&self) -> bool {
        !self.lock().kept.is_empty()
    }

    pub(super) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Forgets all lines and returns their bytes.
    pub(super) fn clear(&self) -> usize {
        let mut lines = self.lock();
        lines.kept = VecDeque::new();
        std::mem::take(&mut lines.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(line: &LogLine) -> usize {
    line.text.len().saturating_add(LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelet_spec::Version;
    use std::sync::Arc;

    fn line(invocation: u128, text: &str) -> LogLine {
        let invocation = InvocationId::new(invocation);
        LogLine {
            seq: 0,
            time_ms: 0,
            version: Version::FIRST,
            invocation,
            stream: "stderr".to_owned(),
            text: text.to_owned(),
        }
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn a_ring_forgets_the_oldest_lines_and_counts_on() {
        let ring = Ring::default();
        for n in 0..5000 {
            ring.push(line(n, "0123456789"), 0);
        }
        let page = ring.look(None, None);
        assert_eq!((page.lines.len(), page.next), (PAGE_LINES, 5000));
        let oldest = ring.look(Some(0), None);
        assert!(oldest.lines[0].seq > 1 && oldest.next == oldest.lines[PAGE_LINES - 1].seq, "{}", oldest.next);
        assert!(ring.lock().bytes <= BYTES_MAX);
        assert_eq!(ring.clear() % (LINE_BYTES + 10), 0);
        assert_eq!(ring.look(None, None).next, 5000);
    }

    #[test]
    fn lines_of_one_invocation_are_found_among_others() {
        let ring = Ring::default();
        for (invocation, text) in [(1, "a"), (2, "b"), (1, "c")] {
            ring.push(line(invocation, text), 0);
        }
        assert_eq!(texts(&ring.look(None, Some(InvocationId::new(1)))), ["a", "c"]);
        assert_eq!(texts(&ring.look(Some(1), None)), ["b", "c"]);
        assert_eq!(ring.look(Some(3), None), LogPage { lines: Vec::new(), next: 3 });
    }

    #[tokio::test]
    async fn who_waits_gets_the_next_line_and_nobody_waits_for_ever() {
        let ring = Arc::new(Ring::default());
        ring.push(line(1, "before"), 0);
        let waiting = tokio::spawn({
            let ring = Arc::clone(&ring);
            async move { ring.page(Some(1), None, Duration::from_secs(600)).await }
        });
        ring.push(line(1, "after"), 0);
        assert_eq!(texts(&waiting.await.unwrap()), ["after"]);
        assert_eq!(ring.page(Some(2), None, Duration::ZERO).await.next, 2);
    }
}
