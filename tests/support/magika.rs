//! What the `magika` Python package says of files: the yardstick of `functions/file-type`.

use crate::cli::{self, Ran};
use crate::places;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A verdict: of the package, or of our function.
#[derive(Debug, Clone, Deserialize)]
pub struct Verdict {
    /// What it is.
    pub label: String,
    /// How sure that is, from 0 to 1.
    pub score: f64,
    /// Its media type.
    pub mime: String,
    /// The family of kinds.
    pub group: String,
    /// For people.
    pub description: String,
}

/// Asks the package about files; the verdicts are in the files' order.
///
/// # Panics
/// When the package can neither be found nor installed.
#[must_use]
pub fn identify(files: &[PathBuf]) -> Vec<Verdict> {
    let script = places::repository().join("functions/file-type/parity.py");
    let ran = cli::ran(Command::new("python3").arg(script).args(files).env("PYTHONPATH", packages()));
    let lines = ran.done();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The folder with the package; made on first use, as `requirements.txt` says, and shared by all checkouts of this user.
fn packages() -> PathBuf {
    let folder = places::cache().join("test-python-magika-1.0.3");
    if folder.is_dir() {
        return folder;
    }
    fs::create_dir_all(places::cache()).unwrap();
    // Filled under another name, so that a stopped run leaves nothing half done under the final one.
    let aside = tempfile::tempdir_in(places::cache()).unwrap();
    let ran = install(aside.path());
    assert!(
        ran.status == Some(0),
        "the magika Python package could not be installed, which this test compares with: \
         `python3 -m pip install magika==1.0.3` must work here\n{}",
        ran.stderr
    );
    let made = aside.keep();
    if fs::rename(&made, &folder).is_err() {
        // Another test was first; its folder is as good.
        fs::remove_dir_all(&made).unwrap();
    }
    places::present(folder)
}

fn install(folder: &Path) -> Ran {
    let requirements = places::repository().join("tests/support/requirements.txt");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:"]);
    cli::ran(pip.arg("--target").arg(folder).arg("--requirement").arg(requirements))
}
