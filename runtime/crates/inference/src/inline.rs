//! When a run may use the caller's own thread.
//!
//! Handing a run to a worker costs two thread switches, 5 to 50 µs; a small model runs in less. So a model whose
//! runs have been short, measured on workers first, is run where it is called. A model cannot be trusted to stay
//! short: the watchdog ends an inline run after [`OVERRUN`], it is repeated on a worker, and some runs on workers must
//! be short before the next inline one. If the repeated run is long too (so it was not the machine that was busy), the
//! model loses the right for a while, each time for twice as long. A hostile model thus holds an executor thread for
//! 10 ms in 10 s at first and 10 ms in days later.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// An inline run longer than this is stopped and repeated on a worker.
pub(crate) const OVERRUN: Duration = Duration::from_millis(10);

/// An inline run that could not be stopped (one operator, however long, is never interrupted) and took this long is
/// held against the model without a repetition.
pub(crate) const STUCK: Duration = Duration::from_millis(50);

/// Inputs larger than this are run by a worker: the time grows with them, and the measure may be of smaller ones.
pub(crate) const INPUT_BYTES_MAX: usize = 64 << 10;

/// The first loss; doubled at each further one.
const LOSS: Duration = Duration::from_secs(10);

/// No measure yet.
const UNMEASURED: u64 = u64::MAX;

/// A model's measured time and its right to run inline.
#[derive(Debug)]
pub(crate) struct InlineGate {
    under_ns: u64,
    /// The mean of the last runs, each with an eighth of what is left by those after it.
    estimate_ns: AtomicU64,
    opened: Instant,
    /// Nanoseconds after `opened` until when the right is lost.
    lost_until_ns: AtomicU64,
    losses: AtomicU32,
}

impl InlineGate {
    /// Inline while the estimate is under `under`; zero means never.
    pub(crate) fn new(under: Duration) -> Self {
        Self {
            under_ns: nanos(under),
            estimate_ns: AtomicU64::new(UNMEASURED),
            opened: Instant::now(),
            lost_until_ns: AtomicU64::new(0),
            losses: AtomicU32::new(0),
        }
    }

    /// Whether a run may start inline at `now`.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.estimate_ns.load(Relaxed) < self.under_ns && !self.is_lost(now)
    }

    /// A run took `took`. One slow run must not keep a short model from its caller's thread for long (the machine may have been
    /// busy, the more so when workers run what callers could), so what counts is at most eight times the limit, and an eighth
    /// of that: one slow run in eight is too many.
    pub(crate) fn record(&self, took: Duration) {
        let sample = nanos(took).min(self.under_ns.saturating_mul(8)).max(1);
        let old = self.estimate_ns.load(Relaxed);
        let new = if old == UNMEASURED { sample } else { old - old / 8 + sample / 8 };
        // Two runs at once may lose one of the samples; the next run brings another.
        self.estimate_ns.store(new, Relaxed);
    }

    /// An inline run held its thread too long, and by its own fault.
    pub(crate) fn overran(&self, now: Instant) {
        let losses = self.losses.fetch_add(1, Relaxed).min(16);
        let until = now.saturating_duration_since(self.opened) + LOSS * (1 << losses);
        self.lost_until_ns.fetch_max(nanos(until), Relaxed);
    }

    /// Whether the right is lost at `now`.
    pub(crate) fn is_lost(&self, now: Instant) -> bool {
        nanos(now.saturating_duration_since(self.opened)) < self.lost_until_ns.load(Relaxed)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNDER: Duration = Duration::from_micros(100);

    #[test]
    fn short_runs_open_the_gate_and_a_long_one_shuts_it_for_a_moment() {
        let gate = InlineGate::new(UNDER);
        let now = Instant::now();
        assert!(!gate.is_open(now), "nothing measured yet");
        gate.record(Duration::from_micros(20));
        assert!(gate.is_open(now));
        gate.record(Duration::from_secs(1));
        assert!(!gate.is_open(now));
        let needed = (1..100).find(|_| {
            gate.record(Duration::from_micros(20));
            gate.is_open(now)
        });
        assert!((1..=4).contains(&needed.unwrap()), "{needed:?}");
    }

    #[test]
    fn a_model_that_is_slow_every_fourth_time_is_no_short_one() {
        let gate = InlineGate::new(UNDER);
        for _ in 0..20 {
            (0..3).for_each(|_| gate.record(Duration::from_micros(20)));
            gate.record(Duration::from_millis(1));
        }
        assert!(!gate.is_open(Instant::now()));
    }

    #[test]
    fn each_overrun_costs_twice_as_long() {
        let gate = InlineGate::new(UNDER);
        gate.record(Duration::from_micros(1));
        let now = gate.opened;
        gate.overran(now);
        assert!(gate.is_lost(now + LOSS / 2) && !gate.is_open(now));
        assert!(!gate.is_lost(now + LOSS) && gate.is_open(now + LOSS));
        gate.overran(now + LOSS);
        assert!(gate.is_lost(now + LOSS * 2) && !gate.is_lost(now + LOSS * 3));
        for _ in 0..100 {
            gate.overran(now);
        }
        assert!(gate.is_lost(now + LOSS * 60_000));
    }

    #[test]
    fn a_limit_of_zero_never_opens() {
        let gate = InlineGate::new(Duration::ZERO);
        gate.record(Duration::ZERO);
        assert!(!gate.is_open(Instant::now()));
    }
}
