//! Where things are: the binary and the guests beside the test itself, the repository, the cache that setup fills.

use std::env;
use std::path::{Path, PathBuf};

/// What the person is told when something was not built or laid.
const FIX: &str = "`cargo xtask test` builds and lays all that the tests need";

/// Cargo's target directory: the test runs from `TARGET/debug/deps/`, the conformance runner from `TARGET/debug/`.
///
/// # Panics
/// When this program is run from elsewhere.
#[must_use]
pub fn target() -> PathBuf {
    let program = env::current_exe().expect("a program knows its own path");
    let debug = program.ancestors().find(|folder| folder.ends_with("debug"));
    let target = debug
        .and_then(Path::parent)
        .unwrap_or_else(|| panic!("{} is not below a debug/ folder: {FIX}", program.display()));
    target.to_path_buf()
}

/// The repository.
///
/// # Panics
/// When it has gone since the test was built.
#[must_use]
pub fn repository() -> PathBuf {
    let tests =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    tests.parent().expect("tests/ is in the repository").to_path_buf()
}

/// The `modelet` binary.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn modelet() -> PathBuf {
    present(target().join("debug/modelet"))
}

/// The component of a test guest.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    present(target().join(format!("wasm32-wasip2/guest/examples/{name}.wasm")))
}

/// The component of a function of `functions/`; its file has underscores for hyphens.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn function_component(name: &str) -> PathBuf {
    present(target().join(format!("wasm32-wasip2/guest/{}.wasm", name.replace('-', "_"))))
}

/// A model of `tests/models/`.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn model(name: &str) -> PathBuf {
    present(repository().join(format!("tests/models/{name}.onnx")))
}

/// The folder of downloads that checkouts of one user share; the same rule as `cargo xtask setup`.
///
/// # Panics
/// When there is neither `XDG_CACHE_HOME` nor `HOME`.
#[must_use]
pub fn cache() -> PathBuf {
    let xdg = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.expect("XDG_CACHE_HOME or HOME is set").join("modelet")
}

/// The ONNX project's backend cases, as Debian packages them: the folder that holds `node/`.
///
/// # Panics
/// When setup has not laid them.
#[must_use]
pub fn onnx_cases() -> PathBuf {
    present(cache().join("onnx-testdata-1.12.0-2/usr/share/libonnx-testdata/data"))
}

/// `path`, which must be there.
///
/// # Panics
/// When it is not; the message says how to get it.
#[must_use]
pub fn present(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: {FIX}", path.display());
    path
}
