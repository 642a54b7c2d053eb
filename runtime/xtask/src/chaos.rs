//! `cargo xtask chaos`: a server that is killed in the middle of its work; fails when it loses a change that it had acknowledged, or has
//! made half of one.

use crate::build;
use crate::failure::Failure;
use crate::places::Places;

/// Runs it as a soak is run.
pub(crate) fn run(places: &Places, arguments: &[String], debug: bool) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    build::and_run(places, "chaos", &arguments, debug)
}
