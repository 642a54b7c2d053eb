//! Building the server and the guests, in the profiles that everything shares.

use crate::failure::{Failure, While};
use crate::places::Places;
use crate::process;
use crate::setup;
use std::fs;
use std::process::Command;

/// Cargo in the repository.
///
/// `cargo run` told this program about its own package in variables that a nested cargo must not take for another's.
pub(crate) fn cargo(places: &Places, arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(&places.root);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_")
            || name == "CARGO_MANIFEST_DIR"
            || name == "CARGO_MANIFEST_PATH"
        {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds the `modelet` binary.
pub(crate) fn modelet(places: &Places) -> Result<(), Failure> {
    process::run(&mut cargo(places, &["build", "--package", "modelet"]))
}

/// Builds the test guests, the SDK's examples and every function of the repository to components.
pub(crate) fn guests(places: &Places) -> Result<(), Failure> {
    let wasm = ["--profile", "guest", "--target", "wasm32-wasip2"];
    let guests = ["build", "--package", "modelet-test-guests", "--package", "modelet-sdk", "--examples"];
    process::run(cargo(places, &guests).args(wasm))?;
    let mut functions = cargo(places, &["build"]);
    functions.args(wasm);
    for name in functions_of(places)? {
        functions.args(["--package", &name]);
    }
    process::run(&mut functions)
}

/// Sets up, builds the guests, and runs a bench that measures nothing: it starts a server and says whether it keeps its promises. `debug`:
/// with a server in the profile that tests and the demo have.
pub(crate) fn and_run(places: &Places, name: &str, arguments: &[&str], debug: bool) -> Result<(), Failure> {
    setup::run(places)?;
    guests(places)?;
    // Without a package named, the debug server is made of what the tests have compiled.
    let built: &[&str] = if debug { &["--profile", "dev"] } else { &["--package", "modelet"] };
    let mut bench = cargo(places, &["bench", "--bench", name]);
    bench.args(built).arg("--").args(arguments);
    process::run(bench.env_remove("RUST_BACKTRACE"))
}

/// The packages under `functions/`; each has its folder's name.
pub(crate) fn functions_of(places: &Places) -> Result<Vec<String>, Failure> {
    let folder = places.root.join("functions");
    let entries = fs::read_dir(&folder).or_fail(|| folder.display().to_string())?;
    let packages = entries.filter_map(Result::ok).filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = packages.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
