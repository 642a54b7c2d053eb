//! Clocks that go in steps: for servers whose tenants must not measure each other's caches.

use std::time::{Duration, Instant, SystemTime};

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

/// Makes both clocks of a guest go in steps; with a step of zero they stay as they are.
pub(crate) fn coarsen(wasi: &mut WasiCtxBuilder, step: Duration) {
    if !step.is_zero() {
        wasi.wall_clock(Coarse { step, start: Instant::now() });
        wasi.monotonic_clock(Coarse { step, start: Instant::now() });
    }
}

/// A clock whose every reading is a multiple of a step, rounded down.
struct Coarse {
    step: Duration,
    /// Where the monotonic clock begins: with the instance.
    start: Instant,
}

impl Coarse {
    fn floor(&self, time: Duration) -> Duration {
        let rest = time.as_nanos().checked_rem(self.step.as_nanos()).unwrap_or(0);
        // Less than the step, which is a configured duration: it fits.
        time.saturating_sub(Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX)))
    }
}

impl HostWallClock for Coarse {
    fn resolution(&self) -> Duration {
        self.step
    }

    fn now(&self) -> Duration {
        self.floor(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

impl HostMonotonicClock for Coarse {
    fn resolution(&self) -> u64 {
        u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.floor(self.start.elapsed()).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_clock_says_only_multiples_of_its_step() {
        let clock = Coarse { step: Duration::from_millis(100), start: Instant::now() };
        assert_eq!(clock.floor(Duration::from_millis(1999)), Duration::from_millis(1900));
        assert_eq!(clock.floor(Duration::from_nanos(99_999_999)), Duration::ZERO);
        assert_eq!(clock.floor(Duration::from_secs(7)), Duration::from_secs(7));
        assert_eq!(HostMonotonicClock::now(&clock) % 100_000_000, 0);
        assert_eq!(HostWallClock::now(&clock).subsec_nanos() % 100_000_000, 0);
        assert_eq!(
            (HostMonotonicClock::resolution(&clock), HostWallClock::resolution(&clock)),
            (100_000_000, clock.step)
        );
    }
}
