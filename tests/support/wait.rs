//! Waiting on a condition, with a bound: the only place of the tests where time passes on purpose.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

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

/// A moment after all that was done until now, and before all that is done from now on, as `--at` takes it.
///
/// # Panics
/// When there is no `date`.
#[must_use]
pub fn moment() -> String {
    // The clock of the history goes in milliseconds: one must pass on each side.
    let tick = || thread::sleep(Duration::from_millis(2));
    tick();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    tick();
    let at = format!("@{}.{:03}", since.as_secs(), since.subsec_millis());
    let date = Command::new("date").args(["-u", "-d", &at, "+%Y-%m-%dT%H:%M:%S.%3NZ"]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

/// Says when it is dropped that it is over, so that those who go on until then end, also where a check beside them fails.
#[derive(Debug)]
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
