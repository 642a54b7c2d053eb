//! Waiting on a condition, with a bound: the only place of the tests where time passes on purpose.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine with two cores, short enough that a hang is noticed.
pub const BOUND: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(5);

/// Waits until `look` gives a value; panics with `what` when it has not after [`BOUND`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(BOUND, look).unwrap_or_else(|| panic!("waited {} s in vain until {what}", BOUND.as_secs()))
}

/// What `look` gives within `bound`, or nothing.
pub fn within<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(POLL);
    }
}
