//! `cargo xtask bench NAME`: one bench of `runtime/benches`, its rows on stdout and everything else on stderr.

use crate::build::{self, cargo};
use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use crate::setup;

/// The bench that loads the model of 90 MB.
const INFERENCE: &str = "inference";

/// The bench that loads it onto a card. The library for that is not fetched here: 256 MB, of no use without a card.
const GPU: &str = "gpu";

/// Sets up, builds the guests, and runs the bench.
pub(crate) fn run(places: &Places, name: &str, arguments: &[String]) -> Result<(), Failure> {
    setup::run(places)?;
    if [INFERENCE, GPU].contains(&name)
        && let Err(failure) = setup::for_benches(places)
    {
        // The rows that need the model say so; the others are measured.
        eprintln!("bench: {failure}");
    }
    build::guests(places)?;
    let mut bench = cargo(places, &["bench", "--package", "modelet", "--bench", name, "--"]);
    // With it set, an error on the measured path would pay for a backtrace that no server pays for.
    process::run(bench.args(arguments).env_remove("RUST_BACKTRACE"))
}
