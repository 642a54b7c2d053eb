//! Where things are: the repository, what was built, and what setup has laid.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use modelet_inference::library;

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A path as an argument.
///
/// # Errors
/// When it is no text.
pub(crate) fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().with_context(|| format!("a path that is no text: {}", path.display()))?.to_owned())
}

/// The user's cache folder for Modelet, where setup lays ONNX Runtime.
///
/// # Errors
/// When there is no such folder.
pub(crate) fn cache() -> Result<PathBuf> {
    Ok(user_cache()?.join("modelet"))
}

/// The library that setup has laid.
///
/// # Errors
/// When it is not there.
pub(crate) fn onnxruntime() -> Result<PathBuf> {
    Ok(library::find(None, None, None, Some(&user_cache()?))?)
}

/// The library for GPUs that `cargo xtask setup --gpu` has laid.
///
/// # Errors
/// When it is not there.
pub(crate) fn onnxruntime_gpu() -> Result<PathBuf> {
    let folder = cache()?.join(format!("onnxruntime-gpu-{}", library::VERSION));
    if !folder.is_dir() {
        bail!("no CUDA device: the ONNX Runtime for GPUs is not there; run `cargo xtask setup --gpu`");
    }
    Ok(library::find(Some(&folder), None, None, None)?)
}

/// wasmtime's command line, laid by `cargo xtask setup --bench`.
///
/// # Errors
/// When it is not there.
pub(crate) fn wasmtime() -> Result<PathBuf> {
    there(cache()?.join("wasmtime-49.0.3").join("wasmtime"))
}

/// The picture that the guest `png` decodes.
///
/// # Errors
/// When it is not there.
pub(crate) fn picture() -> Result<PathBuf> {
    there(root().join("tests/guests/picture.png"))
}

fn user_cache() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = library::user_cache(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref());
    cache.context("neither XDG_CACHE_HOME nor HOME is set")
}

/// A test guest, built by `cargo xtask bench` before this.
///
/// # Errors
/// When it is not there.
pub(crate) fn guest(name: &str) -> Result<PathBuf> {
    there(wasm()?.join("examples").join(format!("{name}.wasm")))
}

/// The component of a function of this repository, built by `cargo xtask bench` before this.
///
/// # Errors
/// When it is not there.
pub(crate) fn function(name: &str) -> Result<PathBuf> {
    there(wasm()?.join(format!("{name}.wasm")))
}

/// The digits model, laid by setup.
///
/// # Errors
/// When it is not there.
pub(crate) fn digits() -> Result<PathBuf> {
    there(root().join("functions/digits/models/digits.onnx"))
}

/// A file of the sentence encoder, made by `cargo xtask setup --bench`.
///
/// # Errors
/// When it is not there.
pub(crate) fn minilm(name: &str) -> Result<PathBuf> {
    there(cache()?.join("models").join("minilm-l6-v2").join(name))
}

/// A path that is there.
///
/// # Errors
/// When it is not.
fn there(path: PathBuf) -> Result<PathBuf> {
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
