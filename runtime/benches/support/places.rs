//! Where things are: the repository, what was built, and what setup has laid.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A test guest, built by `cargo xtask bench` before this.
///
/// # Errors
/// When it is not there.
pub(crate) fn guest(name: &str) -> Result<PathBuf> {
    there(wasm()?.join("examples").join(format!("{name}.wasm")))
}

/// A path that is there.
///
/// # Errors
/// When it is not.
pub(crate) fn there(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is missing: `cargo xtask bench` makes it", path.display());
    }
    Ok(path)
}

/// Where components are built: `TARGET/wasm32-wasip2/guest`. Cargo put this program in `TARGET/release/deps`.
fn wasm() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).context("the target directory above this bench")?;
    Ok(target.join("wasm32-wasip2").join("guest"))
}
