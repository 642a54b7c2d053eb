//! Python environments with exactly the packages that a list names, made once and kept in the user's cache.

use crate::failure::{Failure, While};
use crate::places::Places;
use crate::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of the environment `name`; it is made anew when `requirements` is not what it was made of.
pub(crate) fn ensure(places: &Places, name: &str, requirements: &Path) -> Result<PathBuf, Failure> {
    let folder = places.cache.join(name);
    let python = folder.join("bin").join("python");
    // Written last, so that an environment without it was never finished.
    let made_of = folder.join("made-of.txt");
    let wanted = fs::read_to_string(requirements).or_fail(|| places.short(requirements).to_string())?;
    if fs::read_to_string(&made_of).is_ok_and(|packages| packages == wanted) {
        return Ok(python);
    }
    eprintln!("setup: installing the packages of {} into {}", places.short(requirements), folder.display());
    process::quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .or_fail(|| "python3 and its venv are needed; on Debian or Ubuntu: apt-get install python3-venv".to_owned())?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"];
    process::quietly(Command::new(&python).args(install).arg(requirements))
        .or_fail(|| format!("installing the packages of {}", places.short(requirements)))?;
    fs::write(&made_of, wanted).or_fail(|| made_of.display().to_string())?;
    Ok(python)
}
