//! `cargo xtask soak`: a server at work for an hour; fails when it grows, keeps what it should give back, or loses an answer.

use crate::build;
use crate::failure::Failure;
use crate::places::Places;

/// Sets up, builds the guests, and runs it. `debug`: with a server in the profile that tests and the demo have.
pub(crate) fn run(places: &Places, minutes: Option<&str>, debug: bool) -> Result<(), Failure> {
    let minutes = minutes.map(|minutes| ["--minutes", minutes]);
    build::and_run(places, "soak", minutes.as_ref().map_or(&[], |minutes| minutes), debug)
}
