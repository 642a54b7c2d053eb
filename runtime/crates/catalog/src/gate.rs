//! Whether a tenant has used what it may in a day.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a tenant has used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The time of its guests on a processor.
    Cpu,
    /// The time of models' sessions.
    Inference,
}

/// Open, or closed until a moment. Whoever keeps the books sets it; every request to the tenant's functions reads it, which is one
/// word.
#[derive(Debug, Default)]
pub struct Gate(AtomicU64);

impl Gate {
    /// Nothing is used up.
    pub fn open(&self) {
        self.set(0);
    }

    /// Something is, until a moment in milliseconds since 1970.
    pub fn close(&self, what: Spent, until_ms: u64) {
        self.set(until_ms.saturating_mul(2) | u64::from(what == Spent::Inference));
    }

    /// Whether a request may come in at `now_ms`.
    ///
    /// # Errors
    /// What is used up, and for how long yet.
    pub fn check(&self, now_ms: u64) -> Result<(), (Spent, Duration)> {
        let word = self.0.load(Relaxed);
        let left_ms = (word / 2).saturating_sub(now_ms);
        if left_ms == 0 {
            return Ok(());
        }
        let what = if word % 2 == 1 { Spent::Inference } else { Spent::Cpu };
        Err((what, Duration::from_millis(left_ms)))
    }

    fn set(&self, word: u64) {
        // All requests of a tenant read the line: it is written when something changes.
        if self.0.load(Relaxed) != word {
            self.0.store(word, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_closed_until_its_moment_and_says_for_what() {
        let gate = Gate::default();
        assert_eq!(gate.check(0), Ok(()));
        for what in [Spent::Cpu, Spent::Inference] {
            gate.close(what, 5000);
            assert_eq!(gate.check(3000), Err((what, Duration::from_secs(2))));
            assert_eq!(gate.check(5000), Ok(()));
        }
        gate.open();
        assert_eq!(gate.check(3000), Ok(()));
    }
}
