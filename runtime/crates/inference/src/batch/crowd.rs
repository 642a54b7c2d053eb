//! Whether a caller of a short model should look for company before it runs.
//!
//! A short model runs on its caller's thread, so where one thread has many callers none ever waits for another and
//! nothing could be joined. A caller that looks for company puts its call into the queue and lets the other tasks of
//! its thread go first, once; then whoever comes back first runs all that has come together. That costs nothing if
//! there is company and about a microsecond if there is none. So it is done while it has paid lately, and now and then
//! to find out; and by everybody who finds others in the queue.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Lonely runs after which callers stop looking.
const PATIENCE: u32 = 8;

/// While nobody looks, one call in this many does.
const PROBE: u32 = 16;

/// What a model's calls have met lately. Two calls at once may lose a count: it is a guess, and the next one mends it.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    hope: AtomicU32,
    calls: AtomicU32,
}

impl Crowd {
    /// Whether this call should look for company.
    pub(crate) fn is_likely(&self) -> bool {
        self.hope.load(Relaxed) > 0 || self.calls.fetch_add(1, Relaxed) % PROBE == PROBE - 1
    }

    /// A run of calls that could be joined had `calls` of them.
    pub(crate) fn met(&self, calls: usize) {
        let hope = if calls > 1 { PATIENCE } else { self.hope.load(Relaxed).saturating_sub(1) };
        self.hope.store(hope, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_is_looked_for_while_it_is_met_and_now_and_then() {
        let crowd = Crowd::default();
        let looked = (0..160).filter(|_| crowd.is_likely()).count();
        assert_eq!(looked, 10);
        crowd.met(3);
        for _ in 0..PATIENCE {
            assert!(crowd.is_likely());
            crowd.met(1);
        }
        assert!(!crowd.is_likely());
    }
}
