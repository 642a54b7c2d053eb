//! `cargo xtask test`: all tests, with all that they need.

use crate::build;
use crate::conformance;
use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use crate::setup;

/// Sets up, builds what the tests start, and runs them.
pub(crate) fn run(places: &Places, arguments: &[String]) -> Result<(), Failure> {
    setup::run(places)?;
    tests(places, arguments)
}

/// The tests themselves, on a machine that is set up.
pub(crate) fn tests(places: &Places, arguments: &[String]) -> Result<(), Failure> {
    conformance::cases(places)?;
    build::modelet(places)?;
    build::guests(places)?;
    // Examples in documentation are not nextest's; arguments that pick tests would mean nothing to them.
    if arguments.is_empty() {
        process::run(&mut build::cargo(places, &["test", "--quiet", "--doc"]))?;
    }
    let runner: &[&str] =
        if process::works("cargo", &["nextest", "--version"]) { &["nextest", "run"] } else { &["test"] };
    process::run(build::cargo(places, runner).args(arguments))
}
