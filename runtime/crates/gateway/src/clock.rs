//! Points in time that are always there.

use std::time::{Duration, Instant};

/// Further than any connection lives, and near enough for every clock.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `duration` after `start`, or a year after it when that is no point in time: a limit may be as long as its author likes.
pub(crate) fn after(start: Instant, duration: Duration) -> Instant {
    start + duration.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_limit_is_a_point_in_time() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        assert_eq!(after(now, Duration::MAX), now + FAR);
    }
}
