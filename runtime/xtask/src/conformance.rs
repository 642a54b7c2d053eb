//! `cargo xtask conformance`: the ONNX project's own backend cases, computed through a guest component; and components of other languages.

use crate::build::{self, cargo};
use crate::failure::{Failure, While};
use crate::files::Staging;
use crate::languages;
use crate::places::Places;
use crate::process;
use crate::setup;
use std::path::PathBuf;
use std::process::Command;

/// Debian ships the cases as files: data only, so the package serves any system.
const SUITE: &str = "bookworm";
const PACKAGE: &str = "libonnx-testdata";
const VERSION: &str = "1.12.0-2";
const SHA256: &str = "7dc0912e02f79ece102331411a751b091bc0e191c9fb1287f8cdfbe5530f6027";

/// The argument that leaves the cases out.
const LANGUAGES: &str = "languages";

/// Fetches the cases, builds what they run through, and runs them; without arguments, components of other languages after them.
pub(crate) fn run(places: &Places, arguments: &[String]) -> Result<(), Failure> {
    setup::run(places)?;
    if arguments == [LANGUAGES] {
        return languages::run(places);
    }
    let cases = cases(places)?;
    build::modelet(places)?;
    build::guests(places)?;
    let mut runner = cargo(places, &["run", "--package", "modelet-tests", "--bin", "conformance", "--"]);
    process::run(runner.arg(cases).args(arguments))?;
    if arguments.is_empty() { languages::run(places) } else { Ok(()) }
}

/// The folder that holds the cases (`node/…`, `simple/…`); the end-to-end tests run a part of them, too.
pub(crate) fn cases(places: &Places) -> Result<PathBuf, Failure> {
    let folder = places.cache.join(format!("onnx-testdata-{VERSION}"));
    let cases = folder.join("usr/share/libonnx-testdata/data");
    if cases.is_dir() {
        return Ok(cases);
    }
    let mut fetch = Command::new("bash");
    fetch.arg(places.root.join("runtime/xtask/scripts/fetch-deb.sh")).args([SUITE, PACKAGE, VERSION, SHA256]);
    fetch.arg(places.cache.join("downloads")).stderr(std::process::Stdio::inherit());
    let package = process::quietly(&mut fetch)?;
    let staging = Staging::beside(&folder)?;
    process::quietly(Command::new("dpkg-deb").arg("-x").arg(package.trim_end()).arg(staging.path()))
        .or_fail(|| format!("unpacking {PACKAGE}"))?;
    staging.publish(&folder)?;
    if cases.is_dir() {
        Ok(cases)
    } else {
        Err(Failure::new(format!("{PACKAGE} {VERSION} has no {}", cases.display())))
    }
}
