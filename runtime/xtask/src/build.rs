//! Building the server and the guests, in the profiles that everything shares.

use crate::failure::{Failure, While};
use crate::places::Places;
use crate::process;
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

/// The packages under `functions/`; each has its folder's name.
pub(crate) fn functions_of(places: &Places) -> Result<Vec<String>, Failure> {
    let folder = places.root.join("functions");
    let entries = fs::read_dir(&folder).or_fail(|| folder.display().to_string())?;
    let packages = entries.filter_map(Result::ok).filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = packages.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
