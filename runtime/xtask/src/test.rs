//! `cargo xtask test`: all tests, with all that they need.

use crate::build;
use crate::conformance;
use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use crate::setup;
use std::path::Path;

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
    let runner: &[&str] = if has_nextest() { &["nextest", "run"] } else { &["test"] };
    process::run(build::cargo(places, runner).args(arguments))
}

/// The end-to-end tests of a module that are left out elsewhere, because they want what `variable` names.
pub(crate) fn ignored(places: &Places, module: &str, variable: &str, value: &Path) -> Result<(), Failure> {
    build::modelet(places)?;
    build::guests(places)?;
    let mut cargo = build::cargo(places, if has_nextest() { &["nextest", "run"] } else { &["test"] });
    cargo.args(["--package", "modelet-tests", "--test", "e2e"]).args(only_ignored(module, has_nextest()));
    process::run(cargo.env(variable, value))
}

/// What picks these tests, by nextest or without it.
fn only_ignored(module: &str, nextest: bool) -> Vec<String> {
    match nextest {
        true => vec!["--run-ignored".to_owned(), "only".to_owned(), "-E".to_owned(), format!("test({module}::)")],
        false => vec!["--".to_owned(), "--ignored".to_owned(), format!("{module}::")],
    }
}

fn has_nextest() -> bool {
    process::works("cargo", &["nextest", "--version"])
}

#[cfg(test)]
mod tests {
    use super::only_ignored;

    #[test]
    fn without_nextest_the_same_tests_are_picked_as_cargo_picks_them() {
        assert_eq!(only_ignored("languages", true), ["--run-ignored", "only", "-E", "test(languages::)"]);
        assert_eq!(only_ignored("languages", false), ["--", "--ignored", "languages::"]);
    }
}
