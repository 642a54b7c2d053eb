//! `cargo xtask conformance`: the ONNX project's own backend cases, computed through a guest component; components of other languages;
//! and the admin API against its document.

use crate::build::{self, cargo};
use crate::failure::{Failure, While};
use crate::files::Staging;
use crate::languages;
use crate::places::Places;
use crate::process;
use crate::setup;
use crate::test;
use crate::venv;
use std::path::PathBuf;
use std::process::Command;

/// Debian ships the cases as files: data only, so the package serves any system.
const SUITE: &str = "bookworm";
const SOURCE: &str = "onnx";
const PACKAGE: &str = "libonnx-testdata";
const VERSION: &str = "1.12.0-2";
const SHA256: &str = "7dc0912e02f79ece102331411a751b091bc0e191c9fb1287f8cdfbe5530f6027";

/// Arguments that leave the cases out.
const LANGUAGES: &str = "languages";
const ADMIN_API: &str = "admin-api";

/// Fetches the cases, builds what they run through, and runs them; without arguments, components of other languages and
/// the admin API after them.
pub(crate) fn run(places: &Places, arguments: &[String]) -> Result<(), Failure> {
    setup::run(places)?;
    if arguments == [LANGUAGES] {
        return languages::run(places);
    }
    if arguments == [ADMIN_API] {
        return admin_api(places);
    }
    let cases = cases(places)?;
    build::modelet(places)?;
    build::guests(places)?;
    let mut runner = cargo(places, &["run", "--package", "modelet-tests", "--bin", "conformance", "--"]);
    process::run(runner.arg(cases).args(arguments))?;
    if !arguments.is_empty() {
        return Ok(());
    }
    languages::run(places)?;
    admin_api(places)
}

/// The admin API against its own document, by Schemathesis.
pub(crate) fn admin_api(places: &Places) -> Result<(), Failure> {
    let requirements = places.root.join("tests/conformance/requirements.txt");
    let python = venv::ensure(places, "schemathesis", &requirements)?;
    test::ignored(places, "admin_api", "MODELET_SCHEMATHESIS", &python.with_file_name("schemathesis"))
}

/// The folder that holds the cases (`node/…`, `simple/…`); the end-to-end tests run a part of them, too.
pub(crate) fn cases(places: &Places) -> Result<PathBuf, Failure> {
    let folder = places.cache.join(format!("onnx-testdata-{VERSION}"));
    let cases = folder.join("usr/share/libonnx-testdata/data");
    if cases.is_dir() {
        return Ok(cases);
    }
    let mut fetch = Command::new("bash");
    fetch.arg(places.root.join("runtime/xtask/scripts/fetch-deb.sh")).args([SUITE, SOURCE, PACKAGE, VERSION, SHA256]);
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
