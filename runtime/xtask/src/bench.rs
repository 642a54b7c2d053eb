//! `cargo xtask bench NAME`: one bench of `runtime/benches`, its rows on stdout and everything else on stderr.

use crate::build::{self, cargo};
use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use crate::setup;

/// A bench, and what lays for it what it needs beside what everything needs.
type Need = (&'static str, fn(&Places) -> Result<(), Failure>);

const NEEDS: [Need; 3] = [
    // The model of 90 MB.
    ("inference", setup::for_models),
    // The same, for a card. The library for that is not fetched here: 256 MB, of no use without a card.
    ("gpu", setup::for_models),
    // Its rival.
    ("instances", setup::for_peers),
];

/// Sets up, builds the guests, and runs the bench.
pub(crate) fn run(places: &Places, name: &str, arguments: &[String]) -> Result<(), Failure> {
    setup::run(places)?;
    let needs = NEEDS.iter().find(|(bench, _)| *bench == name);
    if let Some((_, lay)) = needs
        && let Err(failure) = lay(places)
    {
        // The rows that need it say so; the others are measured.
        eprintln!("bench: {failure}");
    }
    build::guests(places)?;
    let mut bench = cargo(places, &["bench", "--package", "modelet", "--bench", name, "--"]);
    // With it set, an error on the measured path would pay for a backtrace that no server pays for.
    process::run(bench.args(arguments).env_remove("RUST_BACKTRACE"))
}
