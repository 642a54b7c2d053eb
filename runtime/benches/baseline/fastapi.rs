//! FastAPI and ONNX Runtime on the digits model: the Python server that people would write. Its packages are pinned in
//! `requirements.txt` and live in a virtual environment in the user's cache folder, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::support::child::Server;
use crate::support::places;

const PACKAGES: &str = include_str!("requirements.txt");

/// Starts the server on the servers' core. `form`: what its handler returns, `response` or `dict`.
///
/// # Errors
/// When Python or the packages are not to be had.
pub(crate) fn start(model: &Path, form: &str) -> Result<Server> {
    let python = environment()?;
    let script = places::root().join("runtime/benches/baseline/fastapi_digits.py");
    let arguments = [&*places::text(&script)?, &*places::text(model)?, form];
    Server::start(&python, &arguments, super::listen::LISTENING)
}

/// The Python of an environment with exactly these packages.
fn environment() -> Result<PathBuf> {
    let folder = places::cache()?.join("bench-venv");
    let python = folder.join("bin").join("python");
    let made = folder.join("made-of.txt");
    if fs::read_to_string(&made).is_ok_and(|packages| packages == PACKAGES) {
        return Ok(python);
    }
    eprintln!("bench: installing FastAPI and onnxruntime into {}", folder.display());
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let list = places::root().join("runtime/benches/baseline/requirements.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    succeed(Command::new(&python).args(pip).arg(list))?;
    fs::write(made, PACKAGES)?;
    Ok(python)
}

fn succeed(command: &mut Command) -> Result<()> {
    // Stdout is the rows' alone.
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}", said.lines().last().unwrap_or("it failed and said nothing"));
    }
    Ok(())
}
