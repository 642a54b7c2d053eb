//! Real files of many kinds: those that `make_files.py` makes, and those of this repository and machine.

use crate::cli;
use crate::places;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A function's limit on a body: no larger file is taken.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Lays made files in `folder` and returns them with some of the repository's and the machine's own.
///
/// # Panics
/// When there is no Python 3.
#[must_use]
pub fn gather(folder: &Path) -> Vec<PathBuf> {
    let script = places::repository().join("tests/support/make_files.py");
    cli::ran(Command::new("python3").arg(script).arg(folder)).done();
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let repository = places::repository();
    let ours = [
        "Cargo.lock",
        "Cargo.toml",
        "runtime/src/main.rs",
        "tests/support/make_files.py",
        "tests/models/digits.onnx",
        "tests/models/nested_if.onnx",
        "functions/file-type/models/magika.onnx",
        ".ci/run",
    ];
    files.extend(ours.map(|path| places::present(repository.join(path))));
    files.extend([places::guest("hello"), places::guest("nn"), PathBuf::from("/bin/sh"), PathBuf::from("/etc/passwd")]);
    files.retain(|file| fs::metadata(file).is_ok_and(|data| data.len() <= FILE_BYTES_MAX));
    files.sort();
    files
}

/// How many different values there are.
#[must_use]
pub fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> usize {
    values.collect::<BTreeSet<_>>().len()
}

/// The first file below a folder that has these bytes.
///
/// # Panics
/// When the folder cannot be listed.
#[must_use]
pub fn lies_in(folder: &Path, bytes: &[u8]) -> Option<PathBuf> {
    let has = |content: &[u8]| content.windows(bytes.len()).any(|window| window == bytes);
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| match path.is_dir() {
        true => lies_in(&path, bytes),
        false => fs::read(&path).ok().filter(|content| has(content)).map(|_| path),
    })
}
