//! The models of the functions in this repository, laid as each one's `models.lock` says.

use super::lock::{self, File};
use crate::failure::{Failure, While};
use crate::files;
use crate::places::Places;
use crate::pypi;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes sure that every file of every lock is in its place.
pub(crate) fn ensure(places: &Places) -> Result<String, Failure> {
    let (mut all, mut laid) = (0, 0);
    for path in locks(places)? {
        let text = fs::read_to_string(&path).or_fail(|| path.display().to_string())?;
        let lock = lock::parse(&text).or_fail(|| places.short(&path).to_string())?;
        let folder = path.parent().unwrap_or(&places.root);
        for wheel in &lock.wheels {
            let missing = missing(folder, &wheel.files)?;
            all += wheel.files.len();
            laid += missing.len();
            if !missing.is_empty() {
                let pinned = pypi::Wheel { requirement: &wheel.requirement, sha256: &wheel.sha256, platform: None };
                lay(places, folder, pypi::unpack(places, &pinned)?.path(), &missing)?;
            }
        }
        let missing = missing(folder, &lock.own)?;
        all += lock.own.len();
        laid += missing.len();
        lay(places, folder, &places.root, &missing)?;
    }
    Ok(format!("{all} files in place, {laid} of them laid now"))
}

fn locks(places: &Places) -> Result<Vec<PathBuf>, Failure> {
    let functions = places.root.join("functions");
    let entries = fs::read_dir(&functions).or_fail(|| functions.display().to_string())?;
    let locks = entries.filter_map(Result::ok).map(|entry| entry.path().join("models.lock"));
    let mut locks: Vec<PathBuf> = locks.filter(|path| path.is_file()).collect();
    locks.sort();
    Ok(locks)
}

fn missing<'a>(folder: &Path, listed: &'a [File]) -> Result<Vec<&'a File>, Failure> {
    let mut missing = Vec::new();
    for file in listed {
        if !files::is_sound(&folder.join(&file.to), &file.sha256)? {
            missing.push(file);
        }
    }
    Ok(missing)
}

/// Copies the files from below `origin`, each checked before it gets its name.
fn lay(places: &Places, folder: &Path, origin: &Path, missing: &[&File]) -> Result<(), Failure> {
    for file in missing {
        let (from, to) = (origin.join(&file.from), folder.join(&file.to));
        files::check(&from, &file.sha256)?;
        files::copy_to(&from, &to)?;
        eprintln!("setup: laid {}", places.short(&to));
    }
    Ok(())
}
