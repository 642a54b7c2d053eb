//! What a function may know of the request that it answers.

use std::time::Duration;

use crate::modelet::nn::invocation;

/// The time until the server ends this invocation, whatever it is doing; `None` where there is no such time.
///
/// For a function that can give a shorter answer instead of none: stop adding words, skip the second model. A function
/// that does not ask is answered 504 for it when the time has come.
#[must_use]
pub fn deadline_left() -> Option<Duration> {
    invocation::deadline_left().map(Duration::from_nanos)
}
