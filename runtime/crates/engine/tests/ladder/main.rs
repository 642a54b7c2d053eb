//! The ladder of warmth: on the disk, component in memory, instance warm, busy; up for whoever asks, down by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by these")]

mod lives;
mod room;
mod support;
mod wake;
